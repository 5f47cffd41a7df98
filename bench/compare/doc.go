// Package compare runs one declared experiment over several search systems: it searches, predicts, fine-tunes and sums
// up in tables and pictures.
//
// In order: an Experiment is read from a TOML file (file.go, check.go); setup.go opens its data and net; plan.go turns
// it into units of work, each of which leaves one file; run.go does the units that are not done; summary.go,
// correlation.go and quality.go compute from the units alone what tables.go, figures.go and page.go show.
package compare
