package compare

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"vimps-gpu/quant"
)

// shardFile, in a shard's directory, is its note.
const shardFile = "shard.json"

// shardNote is what a shard says of itself as soon as it has the fp32 net.
type shardNote struct {
	Index    int    `json:"shard"`
	Of       int    `json:"of"`
	Machine  string `json:"machine"`
	FP32Hash string `json:"fp32_sha256"`
}

// shards are the directories of all shards of one experiment, for reading.
type shards struct {
	e          *Experiment
	stores     []*store // by index
	arithmetic string
	machine    string // or machines, where they differ
}

// openShards wants all shards to be there and to be of the same experiment, version, data, weights, arithmetic and fp32 net.
// It names the first shard that is not, and the command that repeats it. The arithmetic of in does not count.
func openShards(e *Experiment, of int, in inputs) (*shards, error) {
	all := &shards{e: e}
	var fp32 string
	var machines []string
	for i := range of {
		s := Shard{i, of}
		st := &store{dir: s.Dir(e.Out)}
		note, err := all.open(s, st, &in)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			fp32 = note.FP32Hash
		}
		if note.FP32Hash != fp32 {
			return nil, fmt.Errorf("shard %v has another fp32 net than shard %v, sha256 %.12s, not %.12s; delete %s and do: %s",
				s, Shard{0, of}, note.FP32Hash, fp32, st.dir, e.Command(s, false))
		}
		all.stores = append(all.stores, st)
		if !slices.Contains(machines, note.Machine) {
			machines = append(machines, note.Machine)
		}
	}
	all.arithmetic, all.machine = in.Arithmetic, strings.Join(machines, "; ")
	return all, nil
}

// open checks one shard's directory. The first of them decides the arithmetic of in.
func (all *shards) open(s Shard, st *store, in *inputs) (note shardNote, err error) {
	err = st.readJSON(shardFile, &note)
	if errors.Is(err, fs.ErrNotExist) {
		return note, fmt.Errorf("shard %v is not begun, or has no fp32 net yet: there is no %s; do: %s", s, st.path(shardFile), all.e.Command(s, false))
	}
	if err != nil {
		return note, fmt.Errorf("shard %v: %w; delete it and do: %s", s, err, all.e.Command(s, false))
	}
	if note.Index != s.Index || note.Of != s.Of {
		return note, fmt.Errorf("shard %v: %s is of shard %v; the directory has been renamed", s, st.dir, Shard{note.Index, note.Of})
	}
	had, err := st.inputs()
	if err != nil {
		return note, fmt.Errorf("shard %v: %w; delete %s and do: %s", s, err, st.dir, all.e.Command(s, false))
	}
	if s.Index == 0 {
		in.Arithmetic = had.Arithmetic
	}
	if had.Arithmetic != in.Arithmetic {
		return note, fmt.Errorf("shard %v was computed with arithmetic %s, shard %v with %s; delete %s and do: %s, with the device and precision of shard %v",
			s, had.Arithmetic, Shard{0, s.Of}, in.Arithmetic, st.dir, all.e.Command(s, false), Shard{0, s.Of})
	}
	diff, err := st.differs(all.e, *in)
	if err != nil {
		return note, fmt.Errorf("shard %v: %w; delete %s and do: %s", s, err, st.dir, all.e.Command(s, false))
	}
	if diff != "" {
		return note, fmt.Errorf("shard %v: %s holds an experiment with %s; delete it and do: %s", s, st.dir, diff, all.e.Command(s, false))
	}
	return note, nil
}

func (all *shards) shard(i int) Shard { return Shard{i, len(all.stores)} }

// owned is a unit and the shard that does it.
type owned struct {
	id       string
	shard    int
	finetune bool // in the second stage
}

// missing is the error of a unit that its shard has not done.
func (all *shards) missing(o owned) error {
	s := all.shard(o.shard)
	return fmt.Errorf("shard %v is not finished, it has not done %s; do: %s", s, o.id, all.e.Command(s, o.finetune))
}

// damaged adds to the error of a unit's file the shard and the command that does the unit again.
func (all *shards) damaged(shard int, id string, err error) error {
	s := all.shard(shard)
	return fmt.Errorf("shard %v: %w by: %s", s, err, all.e.Command(s, strings.HasPrefix(id, "tune-") && all.e.Waits()))
}

// planOf lists all units of the experiment with the shards that do them, and the children that are to be fine-tuned from fp32.
// For that it reads every search.
func (r *runner) planOf(all *shards) (list []owned, found []quant.Assignment, err error) {
	of := len(all.stores)
	list = []owned{{id: fp32ID}}
	for _, p := range r.searches() {
		o := owned{id: searchID(p.variant, p.seed), shard: p.number % of}
		list = append(list, o)
		var s Searched
		_, there, err := all.stores[o.shard].read(o.id, &s)
		if err != nil {
			return nil, nil, all.damaged(o.shard, o.id, err)
		}
		if !there {
			return nil, nil, all.missing(o)
		}
		if !r.e.tunes() {
			continue
		}
		for _, how := range r.e.Correlation.Recalibration {
			list = append(list, owned{id: predictID(p.variant, p.seed, how), shard: o.shard})
		}
		tuned := r.tuned(p.variant, s.Points)
		if r.e.Finetune.Start == startFP32 {
			found = append(found, tuned...)
			continue
		}
		for _, t := range r.e.tuningsOf(tuned, 0) {
			list = append(list, owned{id: r.e.tuneID(p.variant, p.seed, childID(t.child), t.seed), shard: o.shard})
		}
	}
	early := len(r.shared(nil))
	for i, t := range r.shared(found) {
		list = append(list, owned{id: r.e.tuneID(nil, 0, childID(t.child), t.seed), shard: t.number % of, finetune: i >= early})
	}
	return list, found, nil
}
