package testenv

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// isOwn says whether the other end of a connection belongs to this process or to
// one that it started. Where that cannot be found out, as on another system than
// Linux, every connection counts.
func isOwn(conn net.Conn) bool {
	table, err := os.ReadFile("/proc/net/tcp")
	from, fromTCP := conn.RemoteAddr().(*net.TCPAddr)
	to, toTCP := conn.LocalAddr().(*net.TCPAddr)
	if err != nil || !fromTCP || !toTCP {
		return true
	}
	socket := ""
	for line := range strings.Lines(string(table)) {
		// The port alone is not enough: old connections to others had the same one.
		fields := strings.Fields(line)
		if len(fields) > 9 && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", from.Port)) && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", to.Port)) {
			socket = "socket:[" + fields[9] + "]"
		}
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		if !descends(filepath.Base(process)) {
			continue
		}
		files, _ := filepath.Glob(process + "/fd/*")
		for _, file := range files {
			if target, err := os.Readlink(file); err == nil && target == socket {
				return true
			}
		}
	}
	return false
}

// descends says whether a process is this one or was started by it.
func descends(pid string) bool {
	for pid != "0" && pid != "" {
		if pid == strconv.Itoa(os.Getpid()) {
			return true
		}
		stat, _ := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		_, after, _ := strings.Cut(string(stat), ") ") // behind the name, which may be anything
		fields := strings.Fields(after)
		if len(fields) < 2 {
			return false
		}
		pid = fields[1]
	}
	return false
}
