//go:build !cuda

package cuda

import "errors"

var errNotBuilt error = Unavailable{errors.New(notBuilt)}

// NCCLID makes what joins the reducers of a job; this build has none.
func NCCLID() ([]byte, error) { return nil, errNotBuilt }

// Reducer sums tensors over the processes of a job, a GPU each; this build makes none.
type Reducer struct{}

// NewReducer fails: this build has no GPU.
func (d *Device) NewReducer(id []byte, rank, size int) (*Reducer, error) {
	return nil, errNotBuilt
}

// Start is never called: there is no Reducer.
func (r *Reducer) Start(tensors ...*Tensor) { panic("cuda.Reducer.Start: " + notBuilt) }

// Wait is never called: there is no Reducer.
func (r *Reducer) Wait() { panic("cuda.Reducer.Wait: " + notBuilt) }

// Free is never called: there is no Reducer.
func (r *Reducer) Free() { panic("cuda.Reducer.Free: " + notBuilt) }
