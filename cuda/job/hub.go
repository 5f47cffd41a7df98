package job

import (
	"crypto/subtle"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// hub is rank 0's end: it hears all ranks, judges, prints the line and tells the others to exit.
type hub struct {
	watch    *watch
	meeting  meeting
	listener net.Listener
	judge    *judge
	events   chan event
	done     chan struct{} // closed when all have said goodbye

	mu    sync.Mutex
	lines []*line // by rank; nil: not connected yet
}

// event is what a rank said, or that its connection closed.
type event struct {
	rank    int
	closed  bool
	message message
}

// line is a connection with deadlines, for messages.
type line struct {
	conn net.Conn
	mu   sync.Mutex // of writes
	out  *gob.Encoder
	in   *gob.Decoder
}

func newLine(conn net.Conn) *line {
	return &line{conn: conn, out: gob.NewEncoder(conn), in: gob.NewDecoder(conn)}
}

func (l *line) write(m message, limit time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn.SetWriteDeadline(time.Now().Add(limit))
	return l.out.Encode(m)
}

func (l *line) read(limit time.Duration) (m message, err error) {
	l.conn.SetReadDeadline(time.Now().Add(limit))
	err = l.in.Decode(&m)
	return m, err
}

// handshake is how long a new connection has to show that it belongs to the job.
const handshake = 10 * time.Second

func newHub(w *watch) (*hub, error) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return nil, err
	}
	h := &hub{watch: w, listener: l, events: make(chan event, 4*len(w.hosts)), done: make(chan struct{}), lines: make([]*line, len(w.hosts))}
	h.meeting = meeting{addresses(l.Addr().(*net.TCPAddr).Port), random(), random()}
	go h.accept()
	return h, nil
}

// accept takes connections until the listener is closed.
func (h *hub) accept() {
	for {
		conn, err := h.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go h.admit(conn)
		}
	}
}

// admit drops a connection that does not bring the token. A rank tries all addresses at once: what counts is the
// connection that it then speaks on.
func (h *hub) admit(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(handshake))
	hello := make([]byte, tokenSize+4)
	if _, err := io.ReadFull(conn, hello); err != nil || subtle.ConstantTimeCompare(hello[:tokenSize], h.meeting.Token) == 0 {
		conn.Close()
		return
	}
	rank := int(binary.LittleEndian.Uint32(hello[tokenSize:]))
	if _, err := conn.Write(h.meeting.Answer); err != nil || rank < 1 || rank >= len(h.lines) {
		conn.Close()
		return
	}
	l := newLine(conn)
	m, err := l.read(handshake)
	if err != nil {
		conn.Close()
		return
	}
	if !h.enlist(rank, l) {
		conn.Close()
		return
	}
	for err == nil {
		h.events <- event{rank: rank, message: m}
		// The judge is quicker; this is for a connection that nobody looks at any more.
		m, err = l.read(2*h.watch.patience + handshake)
	}
	conn.Close()
	h.events <- event{rank: rank, closed: true}
}

// enlist makes a connection the rank's own; with the last rank's, nobody else is expected.
func (h *hub) enlist(rank int, l *line) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lines[rank] != nil {
		return false
	}
	h.lines[rank] = l
	if !slices.Contains(h.lines[1:], nil) {
		h.listener.Close()
	}
	return true
}

// hear takes what rank 0 says about itself.
func (h *hub) hear(m message) { h.events <- event{message: m} }

// run judges until all have said goodbye, or the job is dead.
func (h *hub) run() {
	tick := time.NewTicker(min(h.watch.interval()/2, 100*time.Millisecond))
	defer tick.Stop()
	ticked := time.Now()
	beaten := ticked
	h.judge = newJudge(h.watch.hosts, h.watch.patience, ticked)
	for left := false; ; {
		select {
		case e := <-h.events:
			h.take(e)
			left = left || e.rank == 0 && e.message.Kind == goodbye
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(ticked) > h.watch.patience/2 {
			h.judge.forgive(now)
		}
		ticked = now
		h.judge.members[0].heard = now
		h.judge.members[0].place = h.watch.beatOf().Place
		h.judge.advice, h.judge.terminated = h.watch.advised(), h.watch.terminated()
		if v := h.judge.decide(now); v != nil {
			if v.line != "" {
				h.watch.print(v.line)
			}
			h.tell(message{Kind: exit, Code: v.code})
			h.drain()
			os.Exit(v.code)
		}
		if left && h.judge.gone() {
			h.tell(message{Kind: goodbye})
			close(h.done)
			return
		}
		if now.Sub(beaten) >= h.watch.interval() {
			beaten = now
			h.tell(message{Kind: heartbeat})
		}
	}
}

// take puts an event into the judge's books.
func (h *hub) take(e event) {
	m := &h.judge.members[e.rank]
	m.heard = time.Now()
	switch {
	case e.closed:
		m.closed = !m.bye
	case e.message.Kind == heartbeat:
		m.place = e.message.Place
	case e.message.Kind == failing && m.failed == nil:
		m.failed = &failed{e.message.Code, e.message.Text, m.heard}
	case e.message.Kind == goodbye:
		m.bye = true
	}
}

// tell sends to all the others; who cannot be told will be found dead by the judge.
func (h *hub) tell(m message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.lines {
		if l != nil {
			l.write(m, grace/4)
		}
	}
}

// drain waits for the others to go, as they were told: what was sent to them must not be lost with this process.
func (h *hub) drain() {
	end := time.After(grace / 2)
	for open := len(h.lines) - 1; open > 0; {
		select {
		case e := <-h.events:
			if e.closed {
				open--
			}
		case <-end:
			return
		}
	}
}

// leave says rank 0's goodbye and waits for those of the others.
func (h *hub) leave() {
	h.hear(message{Kind: goodbye})
	<-h.done
}
