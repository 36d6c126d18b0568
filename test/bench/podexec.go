package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// exec answers as a kubelet does over WebSocket.
func (s *simulation) exec(w http.ResponseWriter, req *http.Request) {
	const stdout, failure = 1, 3
	channels := []wsstream.ChannelType{wsstream.ReadChannel, wsstream.WriteChannel, wsstream.IgnoreChannel, wsstream.WriteChannel, wsstream.IgnoreChannel}
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{"v5.channel.k8s.io": {Binary: true, Channels: channels}})
	_, streams, err := conn.Open(w, req)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	words := req.URL.Query()["command"]
	if strings.Contains(words[2], "sleep") {
		s.watched.send(s.inRoot(words), streams[0], streams[stdout])
		return
	}
	out, err := s.output(words)
	status := metav1.Status{Status: metav1.StatusSuccess}
	if err != nil {
		status = metav1.Status{Status: metav1.StatusFailure, Message: err.Error()}
	}
	_, _ = streams[stdout].Write(out)
	_ = json.NewEncoder(streams[failure]).Encode(status)
}

// output runs a command once: all pods have the same files, and the time that this
// machine takes for their tools is not what is measured.
func (s *simulation) output(words []string) ([]byte, error) {
	key := strings.Join(words, "\x00")
	s.printing.Lock()
	defer s.printing.Unlock()
	if out, known := s.printed[key]; known {
		return out, nil
	}
	words = s.inRoot(words)
	out, err := exec.Command(words[0], words[1:]...).Output()
	if err == nil {
		s.printed[key] = out
	}
	return out, err
}

// inRoot leads the paths of a command to the files of the pods.
func (s *simulation) inRoot(words []string) []string {
	for i, word := range words {
		if kind, path, isPath := strings.Cut(word, "/"); i > 3 && isPath {
			words[i] = kind + filepath.Join(s.root, path)
		}
	}
	return words
}

// broadcast gives what one command prints to all that run it: in all pods it prints the same.
type broadcast struct {
	mu      sync.Mutex
	running *exec.Cmd
	last    []byte
	printed *sync.Cond // on mu
	turns   int
}

// send sends each look to a connection until that is closed.
func (b *broadcast) send(words []string, closed io.Reader, to io.Writer) {
	b.mu.Lock()
	if b.running == nil {
		b.printed = sync.NewCond(&b.mu)
		b.running = exec.Command(words[0], words[1:]...)
		_, _ = b.running.StdinPipe() // which stays open
		out, err := b.running.StdoutPipe()
		if err == nil {
			err = b.running.Start()
		}
		if err == nil {
			go b.read(out)
		}
	}
	b.mu.Unlock()
	over := false
	go func() {
		_, _ = io.Copy(io.Discard, closed)
		b.mu.Lock()
		defer b.mu.Unlock()
		over = true
		b.printed.Broadcast()
	}()
	for sent := 0; ; {
		b.mu.Lock()
		for b.turns == sent && !over {
			b.printed.Wait()
		}
		turn, ends := b.last, over
		sent = b.turns
		b.mu.Unlock()
		if ends {
			return
		}
		if _, err := to.Write(turn); err != nil {
			return
		}
	}
}

func (b *broadcast) read(from io.Reader) {
	var turn bytes.Buffer
	for lines := bufio.NewScanner(from); lines.Scan(); {
		_, _ = fmt.Fprintln(&turn, lines.Text())
		if lines.Text() == ":end" {
			b.mu.Lock()
			b.last, b.turns = bytes.Clone(turn.Bytes()), b.turns+1
			b.printed.Broadcast()
			b.mu.Unlock()
			turn.Reset()
		}
	}
}

func (b *broadcast) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running != nil && b.running.Process != nil {
		_ = b.running.Process.Kill()
	}
}
