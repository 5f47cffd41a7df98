#!/bin/sh
# onnxruntime.sh DIR: puts onnxruntime and onnx, by which the tests check exported files, and tensorboard, which reads event files back,
# into DIR, from PyPI: 250 MB. Needs python3 with pip and the network, no root. Does nothing where DIR holds these versions already.
# DIR/bin/python is then a Python that has them.
set -eu
dir=${1:?usage: onnxruntime.sh DIR}
pins='onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 tensorboard==2.20.0'
fail() {
	echo "onnxruntime: $1" >&2
	exit 1
}

[ "$(cat "$dir/pins" 2>/dev/null)" = "$pins" ] && exit 0
python3 -m pip --version >/dev/null 2>&1 || fail 'python3 with pip is missing (Debian: apt-get install python3-pip)'
new=$dir.new
rm -rf "$new"
# shellcheck disable=SC2086  # the pins are words
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --only-binary :all: --target "$new" $pins ||
	fail 'pip could not install the packages (is there a network?)'
printf '#!/bin/sh\nPYTHONPATH="$(dirname "$0")/.." exec python3 "$@"\n' >"$new/bin/python"
chmod +x "$new/bin/python"
"$new/bin/python" -c 'import onnx, onnxruntime, tensorboard' || fail 'onnxruntime does not start'
printf %s "$pins" >"$new/pins"
rm -rf "$dir"
mv "$new" "$dir"
echo "onnxruntime is in $dir"
