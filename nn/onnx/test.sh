#!/bin/sh
# test.sh: go test ./..., with onnxruntime and tensorboard where they can be fetched; where not, it says so and the tests that need them are
# left out; with CI=true that is a failure. VIMPS_ONNXRUNTIME names a Python that has them: the tests then
# fail, rather than be skipped, where it does not.
set -eu
cd "$(dirname "$0")/../.."
if [ -z "${VIMPS_ONNXRUNTIME:-}" ]; then
	if why=$(make -s --no-print-directory onnxruntime 2>&1); then
		VIMPS_ONNXRUNTIME=$PWD/.python/bin/python
		export VIMPS_ONNXRUNTIME
	else
		echo "**** LEFT OUT: exported files were not run in onnxruntime: $(echo "$why" | grep '^onnxruntime: ' || echo "$why" | tail -1)" >&2
		[ "${CI:-}" != true ] || exit 1
	fi
fi
exec go test ./...
