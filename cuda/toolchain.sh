#!/bin/sh
# toolchain.sh DIR: puts NVIDIA's compiler (CUDA 13.0), header and disassembler into DIR, from the wheels that NVIDIA publishes on
# PyPI: 109 MB to load, 210 MB on disk, seconds. Needs python3 with pip and the network, no root and no driver. Does nothing
# where DIR holds these versions already. CUDA_HOME is then DIR/nvidia/cu13.
set -eu
dir=${1:?usage: toolchain.sh DIR}
# PyPI has the last two from 13.2 on only.
pins='nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
nvidia-cuda-nvdisasm==13.2.86 nvidia-cuda-cuobjdump==13.2.86'
home=$dir/nvidia/cu13
fail() {
	echo "cuda toolchain: $1" >&2
	exit 1
}

[ "$(cat "$dir/pins" 2>/dev/null)" = "$pins" ] && exit 0
[ "$(uname -sm)" = 'Linux x86_64' ] || fail "NVIDIA's wheels named here are for Linux on x86_64, this is $(uname -sm)"
python3 -m pip --version >/dev/null 2>&1 || fail 'python3 with pip is missing (Debian: apt-get install python3-pip)'

wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
# shellcheck disable=SC2086  # the pins are words
python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --platform manylinux2014_x86_64 -d "$wheels" $pins ||
	fail 'pip could not download the wheels (is there a network?)'
rm -rf "$dir/nvidia" "$dir/pins"
mkdir -p "$dir"
for wheel in "$wheels"/*.whl; do
	python3 -m zipfile -e "$wheel" "$dir"
done
rm -rf "$dir"/*.dist-info "$home/lib"   # the libraries of the runtime, which nothing here links
chmod +x "$home"/bin/* "$home"/nvvm/bin/* # a zip file does not keep that
"$home/bin/nvcc" --version >/dev/null || fail "$home/bin/nvcc does not run"
printf %s "$pins" >"$dir/pins"
echo "nvcc is in $home"
