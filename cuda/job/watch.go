package job

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// watch is a rank's end of the watchdog: what it says about itself, and how it ends the process.
type watch struct {
	rank     int
	hosts    []string // by rank
	patience time.Duration
	log      io.Writer
	moved    func() uint64
	say      func(message) // to rank 0; on rank 0 to its own hub
	end      func()        // says goodbye, and returns when the job needs this rank no more

	mu     sync.Mutex // of what follows
	place  place
	advice string
	signal time.Time // when SIGTERM came first

	signals chan os.Signal
}

// message is what ranks say to rank 0, and rank 0 to them.
type message struct {
	Kind  kind
	Place place  // of a heartbeat
	Code  int    // of a failure or an end: the exit code
	Text  string // of a failure
}

type kind uint8

const (
	heartbeat kind = iota
	failing        // a rank cannot go on
	goodbye        // the sender has come to the end of the job
	exit           // rank 0 has said why: everybody is to exit
)

// meeting is what rank 0 tells the others, by MPI, of its listener.
type meeting struct {
	Addresses     []string // with the port
	Token, Answer []byte   // what a rank shows to rank 0, and rank 0 in return
}

const tokenSize = 16

// startWatch connects all ranks to rank 0. The error is the same on every rank.
func (w *World) startWatch(o Options) (*watch, error) {
	d := &watch{rank: w.Rank(), hosts: w.hosts, patience: o.Patience, log: o.Log, moved: w.moved.Load}
	var h *hub
	var err error
	var invitation []byte
	if d.rank == 0 {
		h, err = newHub(d)
		if err == nil {
			invitation, err = json.Marshal(h.meeting)
		}
	}
	var s *spoke
	if invitation = w.ranks.broadcast(invitation); d.rank > 0 && len(invitation) > 0 {
		var m meeting
		if err = json.Unmarshal(invitation, &m); err == nil {
			s, err = newSpoke(d, m)
		}
	}
	var said string
	if err != nil {
		said = err.Error()
	}
	for _, text := range w.ranks.gather([]byte(said)) {
		if len(text) > 0 {
			if h != nil {
				h.listener.Close()
			}
			return nil, errors.New(string(text))
		}
	}
	d.signals = make(chan os.Signal, 8)
	signal.Notify(d.signals, syscall.SIGTERM)
	go d.outliveSignal()
	if d.rank == 0 {
		d.say, d.end = h.hear, h.leave
		go h.run()
	} else {
		d.say, d.end = s.say, s.leave
		go s.beat()
		go s.run()
	}
	return d, nil
}

// outliveSignal ends the process at a second SIGTERM only; see [Join].
func (w *watch) outliveSignal() {
	for range w.signals {
		w.mu.Lock()
		first := w.signal
		if first.IsZero() {
			w.signal = time.Now()
		}
		w.mu.Unlock()
		// A launcher may send two at once.
		if !first.IsZero() && time.Since(first) > grace {
			os.Exit(128 + int(syscall.SIGTERM))
		}
	}
}

func (w *watch) terminated() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.signal
}

func (w *watch) advise(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.advice = text
}

func (w *watch) advised() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.advice
}

func (w *watch) enter(op string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.place.Entered++
	w.place.Op = op
}

func (w *watch) left() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.place.Left++
}

// beatOf is this rank's heartbeat.
func (w *watch) beatOf() message {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.place
	p.Moved = w.moved()
	return message{Kind: heartbeat, Place: p}
}

// interval is how often a rank says that it is there.
func (w *watch) interval() time.Duration { return min(time.Second, w.patience/5) }

func (w *watch) fail(code int, text string) {
	w.say(message{Kind: failing, Code: code, Text: text})
	// Rank 0 ends the process, unless it hangs itself.
	time.Sleep(w.patience + 2*grace)
	w.exit(w.name(w.rank)+": "+text, code)
}

func (w *watch) leave() {
	w.end()
	signal.Stop(w.signals)
	close(w.signals)
}

// exit says why the job is dead, and ends the process.
func (w *watch) exit(what string, code int) {
	w.print(deathLine(what, w.advised()))
	os.Exit(code)
}

// print writes in one call, so that a line of the launcher cannot come between.
func (w *watch) print(line string) { fmt.Fprintln(w.log, line) }

func (w *watch) name(rank int) string { return fmt.Sprintf("rank %d on host %s", rank, w.hosts[rank]) }

// random is a token that nobody else knows.
func random() []byte {
	b := make([]byte, tokenSize)
	rand.Read(b) // never fails
	return b
}

// addresses are where this host may be reached: by its name, by its interfaces, and by ranks of this host.
func addresses(port int) []string {
	list := []string{address("127.0.0.1", port)}
	if name, err := os.Hostname(); err == nil {
		list = append(list, address(name, port))
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return list
	}
	for _, a := range own {
		// An address of a link alone needs the name of the link, which is another one on the other host.
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			list = append(list, address(ip.IP.String(), port))
		}
	}
	return list
}

func address(host string, port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
