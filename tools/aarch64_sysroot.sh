#!/usr/bin/env bash
# Makes build/aarch64-sysroot, what cmake/aarch64.cmake compiles, links and runs against: the libraries' Debian packages
# for arm64, unpacked there. They are not installed, because some cannot stand beside the host's own; nothing outside
# build/ changes and root is not needed. Packages that are there already are not fetched again.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/common.sh

sysroot="$ROOT/build/aarch64-sysroot"
packages=("${BUILD_LIBRARIES[@]}" "${TEST_LIBRARIES[@]}")
[ "$(cat "$sysroot/packages" 2>/dev/null)" = "${packages[*]}" ] && exit 0

# A package database of its own in which nothing is installed yet, so that apt resolves every dependency for arm64.
apt="$ROOT/build/aarch64-apt"
mkdir -p "$apt/lists/partial" "$apt/archives/partial"
: >"$apt/status"
cat >"$apt/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Install-Recommends "false";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
Debug::NoLocking "true";
CONF
export APT_CONFIG="$apt/apt.conf"
say "fetching Debian packages for arm64 (62 MB) into build/: ${packages[*]}"
apt-get update -qq || say "apt-get update failed; trying with the lists at hand"
apt-get install -y -qq --download-only "${packages[@]}" >/dev/null || die "apt-get could not fetch the packages for arm64"

rm -rf "$sysroot"
mkdir -p "$sysroot"
for package in "$apt"/archives/*.deb; do dpkg-deb -x "$package" "$sysroot"; done
# Links from the root would lead out of the folder.
find "$sysroot" -type l -lname '/*' | while read -r link; do
  ln -sfnr "$sysroot$(readlink "$link")" "$link"
done
echo "${packages[*]}" >"$sysroot/packages"
