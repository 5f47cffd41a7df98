//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"cmp"
	"fmt"
	"os"
	"unsafe"
)

// NCCLVariable is the environment variable that names another NCCL to load than libnccl.so.2; nccl.c reads it too.
const NCCLVariable = "VIMPS_LIBNCCL"

// NCCLError is a call of NCCL that failed.
type NCCLError struct {
	Code int    // ncclResult_t
	Call string // such as ncclAllReduce, or what went wrong after the call
	Text string // NCCL's own, one line
}

func (e *NCCLError) Error() string {
	name := "ncclResult_t"
	if e.Code > 0 && e.Code < len(ncclResults) {
		name = ncclResults[e.Code]
	}
	return fmt.Sprintf("%s: %s (%s, %d); NCCL_DEBUG=WARN makes NCCL tell more", e.Call, e.Text, name, e.Code)
}

var ncclResults = [...]string{"ncclSuccess", "ncclUnhandledCudaError", "ncclSystemError", "ncclInternalError", "ncclInvalidArgument", "ncclInvalidUsage", "ncclRemoteError"}

func ncclFailure(a C.vimps_nccl_answer) error {
	if a.result == 0 {
		return nil
	}
	return &NCCLError{Code: int(a.result), Call: C.GoString(a.call), Text: cmp.Or(C.GoString(C.vimps_nccl_text(a.result)), "NCCL gives no text for this error")}
}

// leastNCCL is 2.4, the first that tells of errors after a call and can be stopped, as NCCL numbers itself.
const leastNCCL = 2400

// startNCCL finds NCCL, which then answers for its version.
func startNCCL() error {
	library := cmp.Or(os.Getenv(NCCLVariable), "libnccl.so.2")
	var why *C.char
	if C.vimps_nccl_load(&why) != 0 {
		return fmt.Errorf("%s cannot be loaded: %s; NCCL sums over GPUs: pip install nvidia-nccl-cu13 brings it, and %s=/path/to/libnccl.so.2 says where it is",
			library, C.GoString(why), NCCLVariable)
	}
	var version C.int
	if err := ncclFailure(C.vimps_nccl_version(&version)); err != nil {
		return err
	}
	if version < leastNCCL {
		return fmt.Errorf("%s is NCCL %d.%d.%d; 2.4 or newer is needed", library, version/1000, version%1000/100, version%100)
	}
	return nil
}

// IDLen is the length in bytes of what [NCCLID] makes.
const IDLen = C.VIMPS_NCCL_ID

// NCCLID makes the id of a communicator, which one rank of it makes and every rank gives to [Context.NewComm].
func NCCLID() ([]byte, error) {
	return within(callPatience*defaultPatience, "ncclGetUniqueId", func() ([]byte, error) {
		if err := startNCCL(); err != nil {
			return nil, err
		}
		id := make([]byte, IDLen)
		return id, ncclFailure(C.vimps_nccl_id(unsafe.Pointer(&id[0])))
	})
}
