package main

import (
	"net"
	"slices"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// resolve is a name server that knows the names here, and says of every other that
// there is no such host.
func resolve(conn net.PacketConn, address net.IP) error {
	buffer := make([]byte, 512)
	for {
		n, client, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if reply, ok := resolved(buffer[:n], address); ok {
			_, _ = conn.WriteTo(reply, client) // a client without a reply asks again
		}
	}
}

func resolved(query []byte, address net.IP) ([]byte, bool) {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil, false
	}
	m.Response, m.Authoritative, m.RecursionAvailable = true, true, true
	m.Answers, m.Authorities, m.Additionals = nil, nil, nil
	q := m.Questions[0]
	switch {
	case !slices.Contains(names, strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))):
		m.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 5},
			Body:   &dnsmessage.AResource{A: [4]byte(address.To4())},
		}}
	}
	reply, err := m.Pack()
	return reply, err == nil
}
