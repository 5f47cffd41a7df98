package compare

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Shard is one of Of parts of an experiment, counted from 0. The zero Shard is the whole experiment.
//
// A shard trains the fp32 net for itself, as all do to the same bits, so that no shard waits for another. Every other
// unit is done by exactly one shard. They are numbered, and a shard does those whose number leaves its Index on division
// by Of:
//
//   - a search, method by method and seed by seed as the file has them; its predictions and the fine-tunings from its
//     own net come with it;
//   - then, where fine-tuning starts from fp32, those of the children of equal BOPs, which the file alone decides;
//   - then those of all other children. Only the searches of all shards tell which they are, so that they are a second
//     stage (Options.Finetune), in which a shard reads what the others have found.
type Shard struct{ Index, Of int }

// mostShards is far above the number of units of any experiment.
const mostShards = 10000

// ParseShard reads I/N: 0/4, 1/4, 2/4 and 3/4 are the shards of an experiment in four.
func ParseShard(text string) (Shard, error) {
	index, of, _ := strings.Cut(text, "/")
	i, err := strconv.Atoi(index)
	n, err2 := strconv.Atoi(of)
	if err != nil || err2 != nil || n < 1 || n > mostShards || i < 0 || i >= n {
		return Shard{}, fmt.Errorf("%q: want I/N, N from 1 to %d shards, I from 0 to N-1, such as 0/4", text, mostShards)
	}
	return Shard{i, n}, nil
}

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

func (s Shard) whole() bool { return s.Of == 0 }

// Dir is where a shard of an experiment with results in out has its own.
func (s Shard) Dir(out string) string {
	if s.whole() {
		return out
	}
	return filepath.Join(out, fmt.Sprintf("shard-%d-of-%d", s.Index, s.Of))
}

// does tells whether the unit of a number is the shard's.
func (s Shard) does(number int) bool { return s.whole() || number%s.Of == s.Index }

// ShardsIn finds of how many shards the directories in out are. None, and shards of two numbers, are errors.
func ShardsIn(out string) (int, error) {
	dirs, err := filepath.Glob(filepath.Join(escaped.Replace(out), "shard-*-of-*"))
	if err != nil {
		return 0, fmt.Errorf("out %s: %w", out, err)
	}
	count := 0
	for _, dir := range dirs {
		var s Shard
		if _, err := fmt.Sscanf(filepath.Base(dir), "shard-%d-of-%d", &s.Index, &s.Of); err != nil || s.Dir(out) != filepath.Clean(dir) {
			continue
		}
		if count != 0 && s.Of != count {
			return 0, fmt.Errorf("out %s holds shards of %d and of %d: say which by --shards", out, min(count, s.Of), max(count, s.Of))
		}
		count = s.Of
	}
	if count == 0 {
		return 0, fmt.Errorf("out %s holds no shards, which are directories such as %s", out, filepath.Base(Shard{0, 4}.Dir(out)))
	}
	return count, nil
}

// escaped keeps a directory's name from being a pattern.
var escaped = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// Waits tells whether some fine-tunings have to wait for the searches of all shards.
func (e *Experiment) Waits() bool {
	return e.Finetune.Start == startFP32 && e.Correlation.AlongFront > 0
}

// Command is the command line that does a shard, or its second stage, or goes on with it.
func (e *Experiment) Command(s Shard, finetune bool) string {
	stage := ""
	if finetune {
		stage = " --finetune"
	}
	return fmt.Sprintf("vimps-gpu bench run%s --shard %v%s %s", e.outFlag(), s, stage, e.path)
}

// MergeCommand is the command line that merges the shards.
func (e *Experiment) MergeCommand(shards int) string {
	return fmt.Sprintf("vimps-gpu bench merge%s --shards %d %s", e.outFlag(), shards, e.path)
}

func (e *Experiment) outFlag() string {
	if e.Out == e.ownOut {
		return ""
	}
	return " --out " + e.Out
}
