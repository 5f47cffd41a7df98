package compare

import (
	"context"
	"errors"
	"fmt"
	"io"

	"vimps-gpu/cuda"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// Options of a run that do not change its results.
type Options struct {
	Dev       *cuda.Device
	Version   string    // of the program
	Machine   string    // for the record
	Log       io.Writer // what is being done
	SaveEvery int       // steps between states on disk
	Shard     Shard     // the part that is done; zero: all
	Finetune  bool      // of a shard: do its second stage, where the experiment has one (Experiment.Waits)
}

// runner does the units of an experiment.
type runner struct {
	e     *Experiment
	o     Options
	w     *world
	store *store
	log   *progress
}

// Run does what is left of an experiment and writes results.json, times.json, tables and pictures into its directory.
// Each unit of work leaves one file, whole or not at all; a run that was interrupted or killed goes on with the first
// unit that is not there, and within a search from its last saved state, to the same results. An interruption is
// onesot.ErrInterrupted.
//
// Of a shard it does the units of one stage, in the shard's own directory; Merge does the rest. Of the other shards the
// second stage reads what they have found, and changes nothing.
func Run(ctx context.Context, e *Experiment, o Options) error {
	if o.Finetune && o.Shard.whole() {
		panic("compare: Run with Finetune of no Shard")
	}
	if o.Finetune && !e.Waits() {
		return nil
	}
	w, err := newWorld(e, o)
	if err != nil {
		return fmt.Errorf("experiment %s: %w", e.path, err)
	}
	in := inputs{o.Version, w.set.Hash, w.config.WeightsHash, o.Dev.Arithmetic()}
	s, err := openStore(e, w.dir, in)
	if err != nil {
		return err
	}
	defer s.close()
	r := &runner{e: e, o: o, w: w, store: s}
	r.log = newProgress(o.Log, r.unitsAhead())
	if err := r.units(ctx, in); err != nil {
		if errors.Is(err, context.Canceled) {
			return onesot.ErrInterrupted
		}
		return err
	}
	if !o.Shard.whole() {
		return nil
	}
	return r.write()
}

// units does all units of this stage that are not done.
func (r *runner) units(ctx context.Context, in inputs) error {
	defer r.w.fp32.close()
	if r.o.Finetune {
		return r.secondStage(ctx, in)
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	var found []quant.Assignment
	for _, p := range r.mySearches() {
		children, err := r.variant(ctx, p.variant, p.seed)
		if errors.Is(err, onesot.ErrInterrupted) || errors.Is(err, context.Canceled) {
			return onesot.ErrInterrupted
		}
		if err != nil {
			return fmt.Errorf("%s, seed %d: %w", p.label, p.seed, err)
		}
		found = append(found, children...)
	}
	if !r.o.Shard.whole() {
		found = nil // not all are known
	}
	return r.sharedTunings(ctx, r.myShared(found))
}

// secondStage fine-tunes this shard's part of what all shards have found.
func (r *runner) secondStage(ctx context.Context, in inputs) error {
	all, err := openShards(r.e, r.o.Shard.Of, in)
	if err != nil {
		return err
	}
	_, found, err := r.planOf(all)
	if err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	return r.sharedTunings(ctx, r.myShared(found))
}

func (r *runner) sharedTunings(ctx context.Context, list []tuning) error {
	r.log.exactly("tune", len(list))
	return r.tunings(ctx, nil, 0, nil, list)
}

// begin has the fp32 net, and a shard's note of it, which others compare with theirs.
func (r *runner) begin(ctx context.Context) error {
	if err := r.fp32(ctx); err != nil || r.o.Shard.whole() {
		return err
	}
	hash, err := onesot.HashFile(r.w.fp32.run.FP32File())
	if err != nil {
		return err
	}
	return r.store.writeJSON(shardFile, shardNote{r.o.Shard.Index, r.o.Shard.Of, r.o.Machine, hash})
}

// fp32 has the fp32 net trained, or read, and evaluated; later processes read it again.
func (r *runner) fp32(ctx context.Context) error {
	work := func() (onesot.Accuracy, Times, error) {
		return timed(func() (onesot.Accuracy, error) {
			err := r.search(ctx, r.w.fp32)
			return r.w.fp32.FP32Accuracy, err
		})
	}
	if !r.store.has(fp32ID) {
		_, err := unit(ctx, r, fp32ID, fp32ID, "the fp32 net", work)
		return err
	}
	r.log.skip(fp32ID)
	_, _, err := work()
	return err
}

// variant does the units of one method under one seed. It returns the children that are to be fine-tuned.
func (r *runner) variant(ctx context.Context, v *variant, seed uint64) ([]quant.Assignment, error) {
	var s *opened // nil until something must be asked of it
	defer func() {
		if s != nil {
			s.close()
		}
	}()
	open := func() (err error) {
		if s != nil {
			return nil
		}
		if s, err = r.w.open(v, seed, searchID(v, seed)); err != nil {
			return err
		}
		return r.search(ctx, s)
	}
	of := fmt.Sprintf("%s, seed %d", v.label, seed)
	found, err := unit(ctx, r, searchID(v, seed), "search "+v.label, "search by "+of, func() (u Searched, t Times, err error) {
		if err := open(); err != nil {
			return u, t, err
		}
		return searched(s)
	})
	if err != nil || !r.e.tunes() {
		return nil, err
	}
	children := r.children(found.Points)
	for _, how := range r.e.Correlation.Recalibration {
		_, err := unit(ctx, r, predictID(v, seed, how), "predict "+v.label, fmt.Sprintf("%d children by the net of %s, recalibration %s", len(children), of, how),
			func() (p []Predicted, t Times, err error) {
				if err := open(); err != nil {
					return nil, t, err
				}
				return timed(func() ([]Predicted, error) { return predict(ctx, s, r.own(found.Points), r.w.equal, how == "on") })
			})
		if err != nil {
			return nil, err
		}
	}
	tuned := r.tuned(v, found.Points)
	if r.e.Finetune.Start == startFP32 {
		return tuned, nil
	}
	return nil, r.tunings(ctx, v, seed, func() (*opened, error) { err := open(); return s, err }, r.e.tuningsOf(tuned, 0))
}

// tunings does fine-tunings from the net of a search, or from the fp32 net where open is nil.
func (r *runner) tunings(ctx context.Context, v *variant, seed uint64, open func() (*opened, error), list []tuning) error {
	for i, f := range list {
		what := fmt.Sprintf("fine-tuning %d of %d: child %s, seed %d", i+1, len(list), childID(f.child), f.seed)
		if v != nil {
			what += fmt.Sprintf(", from %s, seed %d", v.label, seed)
		}
		_, err := unit(ctx, r, r.e.tuneID(v, seed, childID(f.child), f.seed), "tune", what, func() (t Tuned, took Times, err error) {
			if open == nil {
				return r.tune(ctx, r.w.fp32.Problem, nil, f.child, f.seed)
			}
			s, err := open()
			if err != nil {
				return t, took, err
			}
			return r.tune(ctx, s.Problem, s.Found, f.child, f.seed)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unit is the result of a unit of work: from its file where that is there, else from work, and then kept.
func unit[T any](ctx context.Context, r *runner, id, class, what string, work func() (T, Times, error)) (T, error) {
	var result T
	_, found, err := r.store.read(id, &result)
	if err != nil {
		return result, err
	}
	if found {
		r.log.skip(class)
		return result, nil
	}
	if err := ctx.Err(); err != nil {
		return result, err
	}
	r.log.begin(class, what)
	result, t, err := work()
	if err != nil {
		return result, err
	}
	r.log.end(class)
	return result, r.store.write(id, result, t)
}

// timed runs f and tells what it took.
func timed[T any](f func() (T, error)) (T, Times, error) {
	var a onesot.Account
	a.Start()
	result, err := f()
	a.Stop()
	return result, timesOf(a), err
}
