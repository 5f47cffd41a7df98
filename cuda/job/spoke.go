package job

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// spoke is the end of a rank that is not rank 0.
type spoke struct {
	watch *watch
	line  *line
	left  atomic.Bool   // this rank has said goodbye
	done  chan struct{} // closed when the connection is
}

// newSpoke connects to rank 0: by all its addresses at once, since this rank cannot know which of them lead there.
func newSpoke(w *watch, m meeting) (*spoke, error) {
	ctx, cancel := context.WithTimeout(context.Background(), handshake)
	defer cancel()
	type dialed struct {
		conn net.Conn
		err  error
	}
	results := make(chan dialed, len(m.Addresses))
	for _, a := range m.Addresses {
		go func() {
			conn, err := dial(ctx, a, w.rank, m)
			results <- dialed{conn, err}
		}()
	}
	var chosen net.Conn
	var last error
	for range m.Addresses {
		d := <-results
		switch {
		case d.err != nil:
			last = d.err
		case chosen == nil:
			chosen = d.conn
			cancel()
		default:
			d.conn.Close()
		}
	}
	if chosen == nil {
		return nil, fmt.Errorf("%s cannot reach rank 0 on host %s by TCP, at %s: %w; the hosts of a job must be able to open connections to each other",
			w.name(w.rank), w.hosts[0], strings.Join(m.Addresses, ", "), last)
	}
	s := &spoke{watch: w, line: newLine(chosen), done: make(chan struct{})}
	return s, s.line.write(w.beatOf(), handshake)
}

// dial connects to an address and makes sure that it is rank 0 that answers.
func dial(ctx context.Context, address string, rank int, m meeting) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	answer := make([]byte, len(m.Answer))
	if _, err = conn.Write(binary.LittleEndian.AppendUint32(slices.Clone(m.Token), uint32(rank))); err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err == nil && !bytes.Equal(answer, m.Answer) {
		err = fmt.Errorf("%s is somebody else", address)
	}
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// say sends to rank 0. That it cannot be sent to, run finds.
func (s *spoke) say(m message) { s.line.write(m, s.watch.patience) }

// beat says once an interval that this rank is there.
func (s *spoke) beat() {
	tick := time.NewTicker(s.watch.interval())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.say(s.watch.beatOf())
		case <-s.done:
			return
		}
	}
}

// run hears rank 0, until the end of the job.
func (s *spoke) run() {
	defer close(s.done)
	defer s.line.conn.Close()
	heard := make(chan message)
	go func() {
		defer close(heard)
		for {
			m, err := s.line.read(2*s.watch.patience + handshake)
			if err != nil {
				return
			}
			heard <- m
		}
	}()
	tick := time.NewTicker(s.watch.interval() / 2)
	defer tick.Stop()
	last, ticked := time.Now(), time.Now()
	for {
		select {
		case m, open := <-heard:
			last = time.Now()
			switch {
			case !open && s.left.Load(), m.Kind == goodbye:
				return
			case !open:
				s.orphaned("died", 1)
			case m.Kind == exit:
				os.Exit(m.Code)
			}
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(ticked) > s.watch.patience/2 { // this process itself was stopped
			last = now
		}
		ticked = now
		if now.Sub(last) > s.watch.patience {
			s.orphaned("has not been heard of for "+seconds(s.watch.patience), s.successor())
		}
	}
}

// orphaned ends the process, because of rank 0. One rank says so; the others wait for it to.
func (s *spoke) orphaned(how string, speaker int) {
	if s.watch.rank == speaker {
		s.watch.exit(s.watch.name(0)+" "+how, 1)
	}
	time.Sleep(grace / 2)
	os.Exit(1)
}

// successor is the rank that speaks where rank 0 is silent: the first of another host, since a host may be gone with
// all its ranks, else rank 1.
func (s *spoke) successor() int {
	for r, host := range s.watch.hosts {
		if host != s.watch.hosts[0] {
			return r
		}
	}
	return 1
}

// leave says goodbye, and waits for rank 0 to let go.
func (s *spoke) leave() {
	s.left.Store(true)
	s.say(message{Kind: goodbye})
	<-s.done
}
