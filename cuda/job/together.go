package job

import "sync"

// Together is n ranks in one process, each to be used by one goroutine: a job without a launcher, for tests. No watchdog guards it.
func Together(n int) []*World {
	t := &table{ranks: n, gave: make([]any, n)}
	t.turn.L = &t.lock
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = "localhost"
	}
	worlds := make([]*World, n)
	for rank := range worlds {
		worlds[rank] = &World{ranks: seat{t, rank}, hosts: hosts}
	}
	return worlds
}

// table is where the ranks of one process lay down what they give.
type table struct {
	ranks int
	lock  sync.Mutex
	turn  sync.Cond
	gave  []any // by rank
	given int
	round int
	last  []any // what was given in the round before
}

// meet gives what every rank gave, once all have come.
func (t *table) meet(rank int, v any) []any {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.gave[rank] = v
	t.given++
	if t.given < t.ranks {
		for round := t.round; t.round == round; {
			t.turn.Wait()
		}
		return t.last
	}
	t.last, t.gave = t.gave, make([]any, t.ranks)
	t.given = 0
	t.round++
	t.turn.Broadcast()
	return t.last
}

// seat is a rank at a table.
type seat struct {
	*table
	rank int
}

func (s seat) number() (rank, size int) { return s.rank, s.ranks }

func (s seat) broadcast(b []byte) []byte { return s.gather(b)[0] }

func (s seat) gather(b []byte) [][]byte {
	out := make([][]byte, 0, s.ranks)
	for _, v := range s.meet(s.rank, b) {
		out = append(out, v.([]byte))
	}
	s.meet(s.rank, nil) // nobody changes what it gave before all have read it
	return out
}

func (s seat) sumOrdered(terms [][]float32, sum []float32) {
	var all [][]float32
	for _, v := range s.meet(s.rank, terms) {
		all = append(all, v.([][]float32)...)
	}
	total := make([]float32, len(sum))
	addOrdered(total, all)
	s.meet(s.rank, nil)
	copy(sum, total)
}

func (s seat) leave() { s.meet(s.rank, nil) }
