//go:build mpi

package job

/*
#include <mpi.h>
#include <stdlib.h>

// What MPI_COMM_WORLD and the types are is up to the MPI at hand; cgo cannot see through all of it.
static int job_init(int *rank, int *size, int *provided)
{
	int e = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, provided);
	if (e == MPI_SUCCESS)
		e = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	if (e == MPI_SUCCESS)
		e = MPI_Comm_rank(MPI_COMM_WORLD, rank);
	if (e == MPI_SUCCESS)
		e = MPI_Comm_size(MPI_COMM_WORLD, size);
	return e;
}

static int job_broadcast(void *b, int n)
{
	return MPI_Bcast(b, n, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static int job_gather(void *b, int n, void *all, int *counts, int *starts)
{
	return MPI_Allgatherv(b, n, MPI_BYTE, all, counts, starts, MPI_BYTE, MPI_COMM_WORLD);
}

static int job_exchange(float *send, int *sends, int *sendStarts, float *recv, int *recvs, int *recvStarts)
{
	return MPI_Alltoallv(send, sends, sendStarts, MPI_FLOAT, recv, recvs, recvStarts, MPI_FLOAT, MPI_COMM_WORLD);
}

static int job_collect(float *part, int n, float *whole, int *counts, int *starts)
{
	return MPI_Allgatherv(part, n, MPI_FLOAT, whole, counts, starts, MPI_FLOAT, MPI_COMM_WORLD);
}

enum { job_serialized = MPI_THREAD_SERIALIZED, job_text = MPI_MAX_LIBRARY_VERSION_STRING + MPI_MAX_ERROR_STRING };
*/
import "C"

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"unsafe"
)

// mpi is a job's ranks by MPI. All calls are made by one goroutine that keeps its thread. MPI is given memory of C
// alone: a network's driver may remember what it has mapped, and Go's collector would return pages behind its back.
type mpi struct {
	rank, size int
	calls      chan func()
	moved      *atomic.Uint64 // counts the exchanges done
	broken     func(error)    // takes an MPI error; does not return
	stage      []byte         // in C's memory: what is on its way in a broadcast or gather
	incoming   []byte         // in C's memory: what a gather brings
	extents    extents        // of incoming
	reducer    reducer
}

// connect initialises MPI, where there is more than one process, and compares what it says with what the launcher said.
func connect(size int, launcher string, moved *atomic.Uint64, broken func(error)) (ranks, error) {
	if size == 1 {
		return alone{}, nil
	}
	if launcher == "srun" && os.Getenv("PMIX_RANK") == "" && os.Getenv("PMI_RANK") == "" {
		// Open MPI would end the process in MPI_Init.
		return nil, fmt.Errorf("srun started %d processes but told MPI nothing; use srun --mpi=pmix (srun --mpi=list says what there is), or mpirun", size)
	}
	m := &mpi{calls: make(chan func()), moved: moved, broken: broken}
	go m.serve()
	var rank, ranks, provided C.int
	var err error
	m.do(func() { err = failure("MPI_Init_thread", C.job_init(&rank, &ranks, &provided)) })
	if err != nil {
		return nil, err
	}
	switch {
	case int(ranks) != size:
		err = fmt.Errorf("%s started %d processes, but %s sees %d: use the launcher that belongs to this MPI (srun --mpi=list says what srun knows; pmix for Open MPI, pmi2 for MPICH)", launcher, size, m.library(), int(ranks))
	case provided < C.job_serialized:
		err = fmt.Errorf("%s has no MPI_THREAD_SERIALIZED", m.library())
	}
	if err != nil {
		m.leave()
		return nil, err
	}
	m.rank, m.size = int(rank), int(ranks)
	m.stage = cMemory[byte](4 * blockSize)
	m.reducer = reducer{rank: m.rank, size: m.size, block: blockSize, alloc: cMemory[float32], exchange: m.exchange, collect: m.collect}
	return m, nil
}

// cMemory is memory that is never freed: a job's buffers grow to the largest of its collectives, and stay.
func cMemory[T byte | float32](n int) []T {
	var zero T
	p := C.malloc(C.size_t(max(n, 1)) * C.size_t(unsafe.Sizeof(zero)))
	return unsafe.Slice((*T)(p), n)
}

func (m *mpi) serve() {
	runtime.LockOSThread()
	for call := range m.calls {
		call()
	}
}

// do runs f on MPI's thread.
func (m *mpi) do(f func()) {
	done := make(chan struct{})
	m.calls <- func() { f(); close(done) }
	<-done
}

// must does a collective on MPI's thread. It does not return an error: MPI is of no use after one.
func (m *mpi) must(f func() error) {
	var err error
	m.do(func() { err = f() })
	if err != nil {
		m.broken(err)
	}
}

func (m *mpi) number() (rank, size int) { return m.rank, m.size }

func (m *mpi) broadcast(b []byte) []byte {
	m.must(func() error {
		binary.LittleEndian.PutUint64(m.stage, uint64(len(b)))
		if err := m.send(8); err != nil {
			return err
		}
		if n := int(binary.LittleEndian.Uint64(m.stage)); m.rank > 0 {
			b = make([]byte, n)
		}
		for at := 0; at < len(b); at += len(m.stage) {
			n := min(len(m.stage), len(b)-at)
			if m.rank == 0 {
				copy(m.stage, b[at:at+n])
			}
			if err := m.send(n); err != nil {
				return err
			}
			copy(b[at:at+n], m.stage)
		}
		return nil
	})
	return b
}

// send broadcasts the first n bytes of stage.
func (m *mpi) send(n int) error {
	defer m.moved.Add(1)
	return failure("MPI_Bcast", C.job_broadcast(pointer(m.stage), C.int(n)))
}

func (m *mpi) gather(b []byte) [][]byte {
	all := make([][]byte, m.size)
	m.must(func() error {
		binary.LittleEndian.PutUint64(m.stage, uint64(len(b)))
		if err := m.bring(func(int) int { return 8 }); err != nil {
			return err
		}
		left, longest := make([]int, m.size), 0
		for r := range all {
			left[r] = int(binary.LittleEndian.Uint64(m.incoming[8*r:]))
			all[r] = make([]byte, 0, left[r])
			longest = max(longest, left[r])
		}
		each := max(len(m.stage)/m.size, 8) // bytes of a rank in a round
		for at := 0; at < longest; at += each {
			share := func(r int) int { return min(max(left[r]-at, 0), each) }
			copy(m.stage, b[min(at, len(b)):])
			if err := m.bring(share); err != nil {
				return err
			}
			for r := range all {
				start := m.extents.starts[r]
				all[r] = append(all[r], m.incoming[start:start+m.extents.counts[r]]...)
			}
		}
		return nil
	})
	return all
}

// bring gathers the first share(r) bytes of rank r's stage into incoming, by rank.
func (m *mpi) bring(share func(rank int) int) error {
	if total := m.extents.set(m.size, share); total > len(m.incoming) {
		m.incoming = cMemory[byte](max(total, len(m.stage)))
	}
	defer m.moved.Add(1)
	return failure("MPI_Allgatherv", C.job_gather(pointer(m.stage), C.int(share(m.rank)), pointer(m.incoming),
		ints(m.extents.counts), ints(m.extents.starts)))
}

func (m *mpi) sumOrdered(terms [][]float32, sum []float32) {
	m.must(func() error { return m.reducer.sum(terms, sum) })
}

func (m *mpi) exchange(r *reducer) error {
	defer m.moved.Add(1)
	return failure("MPI_Alltoallv", C.job_exchange(floats(r.send), ints(r.sends.counts), ints(r.sends.starts),
		floats(r.recv), ints(r.recvs.counts), ints(r.recvs.starts)))
}

func (m *mpi) collect(r *reducer) error {
	defer m.moved.Add(1)
	return failure("MPI_Allgatherv", C.job_collect(floats(r.part), C.int(len(r.part)), floats(r.whole),
		ints(r.parts.counts), ints(r.parts.starts)))
}

// leave finalises MPI.
func (m *mpi) leave() {
	m.must(func() error { return failure("MPI_Finalize", C.MPI_Finalize()) })
	close(m.calls)
}

// library names the MPI that the program was built with, such as "Open MPI v4.1.4".
func (m *mpi) library() (name string) {
	m.do(func() { name = text(func(b *C.char, n *C.int) { C.MPI_Get_library_version(b, n) }) })
	name, _, _ = strings.Cut(name, ",")
	name, _, _ = strings.Cut(name, "\n")
	return strings.Join(strings.Fields(name), " ")
}

// failure is the error of an MPI call.
func failure(call string, code C.int) error {
	if code == C.MPI_SUCCESS {
		return nil
	}
	return fmt.Errorf("%s: %s", call, text(func(b *C.char, n *C.int) { C.MPI_Error_string(code, b, n) }))
}

// text is a string of MPI's.
func text(get func(*C.char, *C.int)) string {
	b := (*C.char)(C.calloc(1, C.job_text))
	defer C.free(unsafe.Pointer(b))
	var n C.int
	get(b, &n)
	return C.GoString(b)
}

func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
func floats(s []float32) *C.float     { return (*C.float)(unsafe.SliceData(s)) }
func ints(s []int32) *C.int           { return (*C.int)(unsafe.SliceData(s)) }
