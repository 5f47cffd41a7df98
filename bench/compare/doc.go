// Package compare runs one declared experiment over several search systems: it searches, predicts, fine-tunes and sums
// up in tables and pictures.
//
// In order: an Experiment is read from a TOML file (file.go, check.go); world.go opens its data and net; plan.go turns
// it into units of work, each of which leaves one file (unit.go) in a directory (store.go); run.go does the units that are not
// done; summary.go, correlation.go and fronts.go compute from the units alone what tables.go, figures.go and page.go show.
//
// shard.go says which units a part of an experiment does, shards.go reads what all parts have done, merge.go puts them together.
package compare
