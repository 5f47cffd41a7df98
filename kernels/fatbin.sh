#!/bin/sh
# fatbin.sh NVCC [ARCHS]: compiles every kernels/*.cu to kernels/fatbin/<family>.fatbin, machine code for each of ARCHS and PTX for compute_80.
# What has not changed, by the hash of its source, the headers it includes, the flags and the compiler, is left alone.
# One process a file; JOBS says how many at once. A warning is an error, and so is a spilled register.
set -eu
nvcc=${1:?usage: fatbin.sh NVCC [ARCHS]}
archs=${2-80 86 89 90 100 120}
cd "$(dirname "$0")"

flags='-fatbin --no-compress -std=c++17 -O3 -fmad=false -Werror all-warnings -Xptxas -warn-spills -Xptxas -warn-lmem-usage -Xptxas -Werror
-gencode arch=compute_80,code=compute_80'
for arch in $archs; do
	flags="$flags -gencode arch=compute_$arch,code=sm_$arch"
done
version=$("$nvcc" --version | tail -1)

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

for fatbin in fatbin/*.fatbin; do # of a family that is no more
	family=$(basename "$fatbin" .fatbin)
	[ -f "$family.cu" ] || rm -f "$fatbin" "fatbin/.$family.hash"
done

stale=
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

export nvcc flags
# shellcheck disable=SC2016,SC2086  # $1 belongs to the inner shell; the families are words
printf '%s\n' $stale | xargs -P "${JOBS:-$(nproc)}" -I{} sh -euc '
	family=${1%:*}
	echo "nvcc $family.cu"
	rm -f "fatbin/.$family.hash"
	$nvcc $flags -o "fatbin/.$family.new" "$family.cu" || exit 1
	mv "fatbin/.$family.new" "fatbin/$family.fatbin"
	echo "${1#*:}" >"fatbin/.$family.hash"' sh {}
