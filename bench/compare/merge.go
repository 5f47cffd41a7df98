package compare

import (
	"fmt"
)

// Merge puts the shards of an experiment together: it writes into the experiment's directory what an undivided run
// writes, and the units, but no run directories; those stay with the shards. It computes nothing of its own, on whatever device.
//
// All shards must be finished, and of the same experiment, version, data, weights, arithmetic and fp32 net; a unit that lies in
// several must be the same in all. The first that is otherwise is an error, which names the command that repeats it.
func Merge(e *Experiment, o Options, of int) error {
	w, err := newWorld(e, o)
	if err != nil {
		return fmt.Errorf("experiment %s: %w", e.path, err)
	}
	defer w.fp32.close()
	in := inputs{Version: o.Version, DataHash: w.set.Hash, WeightsHash: w.config.WeightsHash}
	all, err := openShards(e, of, in)
	if err != nil {
		return err
	}
	in.Arithmetic, w.config.Arithmetic, o.Machine = all.arithmetic, all.arithmetic, all.machine
	r := &runner{e: e, o: o, w: w}
	plan, _, err := r.planOf(all)
	if err != nil {
		return err
	}
	units, err := all.collect(plan)
	if err != nil {
		return err
	}
	if r.store, err = openStore(e, e.Out, in); err != nil {
		return err
	}
	defer r.store.close()
	for _, f := range units {
		if err := r.store.take(f); err != nil {
			return err
		}
	}
	return r.write()
}

// collect reads all units, each from the shard that did it, and compares those that other shards have as well.
func (all *shards) collect(plan []owned) ([]unitFile, error) {
	var units []unitFile
	at := map[string]int{}
	for _, o := range plan {
		f, found, err := all.stores[o.shard].readFile(o.id)
		if err != nil {
			return nil, all.damaged(o.shard, o.id, err)
		}
		if !found {
			return nil, all.missing(o)
		}
		at[o.id] = len(units)
		units = append(units, f)
	}
	for i, st := range all.stores {
		ids, err := st.units()
		if err != nil {
			return nil, fmt.Errorf("shard %v: %w", all.shard(i), err)
		}
		for _, id := range ids {
			k, known := at[id]
			if !known {
				return nil, fmt.Errorf("shard %v: unit %s, in %s, is none of this experiment's; delete it", all.shard(i), id, st.path(st.unitPath(id)))
			}
			f, _, err := st.readFile(id)
			if owner := plan[k].shard; err != nil && i != owner && id != fp32ID {
				return nil, fmt.Errorf("shard %v: %s is damaged, and is but a copy of a unit of shard %v; delete it", all.shard(i), st.path(st.unitPath(id)), all.shard(owner))
			}
			if err != nil {
				return nil, all.damaged(i, id, err)
			}
			if f.hash() != units[k].hash() {
				return nil, fmt.Errorf("unit %s: shards %v and %v have different results, in %s and %s; delete the wrong one", id, all.shard(plan[k].shard), all.shard(i),
					all.stores[plan[k].shard].path(st.unitPath(id)), st.path(st.unitPath(id)))
			}
		}
	}
	return units, nil
}

// take puts a unit into the store, which may have it, with the same result, from before.
func (s *store) take(f unitFile) error {
	had, found, err := s.readFile(f.ID)
	if err != nil {
		return err
	}
	if found && had.hash() != f.hash() {
		return fmt.Errorf("unit %s: %s has another result than the shards; delete it, or take another out", f.ID, s.path(s.unitPath(f.ID)))
	}
	return s.writeUnit(f)
}
