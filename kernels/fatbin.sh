#!/bin/sh
# fatbin.sh NVCC [ARCHS]: compiles every kernels/*.cu to kernels/fatbin/<family>.fatbin, machine code for each of ARCHS and PTX for compute_80.
# What has not changed, by the hash of its source, the headers it includes, the flags and the compiler, is left alone.
# One process a file; JOBS says how many at once. A warning is an error, and so is a spilled register.
# fatbin.sh --check needs no compiler: it fails, in one line, where kernels/fatbin is not what the sources as they are now would give.
set -eu
nvcc=${1:?usage: fatbin.sh NVCC [ARCHS], or fatbin.sh --check}
cd "$(dirname "$0")"
made=fatbin/.made # the ARCHS and the compiler of the last run, a line each
if [ "$nvcc" = --check ]; then
	archs=$(sed -n 1p "$made" 2>/dev/null || true)
	version=$(sed -n 2p "$made" 2>/dev/null || true)
else
	archs=${2-80 86 89 90 100 120}
	version=$("$nvcc" --version | tail -1)
	printf '%s\n' "$archs" "$version" >"$made"
fi

flags='-fatbin --no-compress -std=c++17 -O3 -fmad=false -Werror all-warnings -Xptxas -warn-spills -Xptxas -warn-lmem-usage -Xptxas -Werror
-gencode arch=compute_80,code=compute_80'
for arch in $archs; do # all from the one PTX that the simulated GPU executes
	flags="$flags -gencode arch=compute_80,code=sm_$arch"
done

# sources FILE: the file and the headers of this folder that it includes, and they include.
sources() {
	seen=
	set -- "$1"
	while [ $# -gt 0 ]; do
		file=$1
		shift
		case " $seen " in *" $file "*) continue ;; esac
		[ -f "$file" ] || continue
		seen="$seen $file"
		# shellcheck disable=SC2046  # the names are words
		set -- "$@" $(sed -n 's/^[ \t]*#[ \t]*include[ \t]*"\([^"]*\)".*/\1/p' "$file")
	done
	echo "$seen"
}

stale=
for fatbin in fatbin/*.fatbin; do # of a family that is no more
	family=$(basename "$fatbin" .fatbin)
	[ -f "$fatbin" ] && [ ! -f "$family.cu" ] || continue
	if [ "$nvcc" = --check ]; then
		stale="$stale $family:"
	else
		rm -f "$fatbin" "fatbin/.$family.hash"
	fi
done
for cu in *.cu; do
	[ -f "$cu" ] || continue
	family=${cu%.cu}
	# shellcheck disable=SC2046
	hash=$({ echo "$flags $version"; cat $(sources "$cu"); } | sha256sum | cut -c1-64)
	if ! [ -f "fatbin/$family.fatbin" ] || [ "$(cat "fatbin/.$family.hash" 2>/dev/null)" != "$hash" ]; then
		stale="$stale $family:$hash"
	fi
done
[ -n "$stale" ] || exit 0
if [ "$nvcc" = --check ]; then
	# shellcheck disable=SC2086  # the families are words
	echo "kernels: kernels/fatbin was not made of these sources ($(printf '%s\n' $stale | sed 's/:.*//' | paste -sd ' ' -)), and no nvcc was found: make cuda-toolchain fetches it, or make clean leaves the GPU out" >&2
	exit 1
fi

export nvcc flags
# shellcheck disable=SC2016,SC2086  # $1 belongs to the inner shell; the families are words
printf '%s\n' $stale | xargs -P "${JOBS:-$(nproc)}" -I{} sh -euc '
	family=${1%:*}
	echo "nvcc $family.cu"
	rm -f "fatbin/.$family.hash"
	$nvcc $flags -o "fatbin/.$family.new" "$family.cu" || exit 1
	mv "fatbin/.$family.new" "fatbin/$family.fatbin"
	echo "${1#*:}" >"fatbin/.$family.hash"' sh {}
