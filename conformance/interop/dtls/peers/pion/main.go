// A peer of pion/dtls, moved by lines on its standard input; README.md beside ../../run.ts has the language.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pion/dtls/v4"
	"github.com/pion/dtls/v4/pkg/crypto/ciphersuite"
	"github.com/pion/dtls/v4/pkg/crypto/elliptic"
	"github.com/pion/dtls/v4/pkg/protocol"
)

var (
	role       = flag.String("role", "", "client or server")
	port       = flag.Int("port", 0, "client: where the server listens")
	cert       = flag.String("cert", "", "PEM file of a chain")
	key        = flag.String("key", "", "PEM file of its private key")
	ca         = flag.String("ca", "", "PEM file of whom to trust")
	clientAuth = flag.Bool("client-auth", false, "server: requires a certificate")
	groups     = flag.String("groups", "", "by preference, comma-separated")
	suite      = flag.String("suite", "", "the only cipher suite")
	alpn       = flag.String("alpn", "", "the only application protocol")
	cid        = flag.Int("cid", -1, "bytes of our connection IDs")
	psk        = flag.String("psk", "", "identity:key in hex")
	mtu        = flag.Int("mtu", 1200, "largest datagram, in bytes")
	resume     = flag.Bool("resume", false, "issues or uses tickets")
	echo       = flag.Bool("echo", false, "sends back what comes, and says nothing of it: for measurements")
)

var suites = map[string]ciphersuite.ID{
	"TLS_AES_128_GCM_SHA256":       ciphersuite.TLS_AES_128_GCM_SHA256,
	"TLS_AES_256_GCM_SHA384":       ciphersuite.TLS_AES_256_GCM_SHA384,
	"TLS_CHACHA20_POLY1305_SHA256": ciphersuite.TLS_CHACHA20_POLY1305_SHA256,
}

var curves = map[string]elliptic.Curve{
	"X25519": elliptic.X25519, "P-256": elliptic.P256, "P-384": elliptic.P384, "X25519MLKEM768": elliptic.X25519MLKEM768,
}

func main() {
	flag.Parse()
	peer := &peer{}
	if *role == "server" {
		peer.listen()
	}
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		command, argument, _ := strings.Cut(input.Text(), " ")
		peer.do(command, argument)
	}
}

// peer has the newest connection.
type peer struct {
	sync.Mutex
	conn *dtls.Conn
}

func (p *peer) do(command, argument string) {
	if command == "connect" {
		conn, err := dtls.Dial("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: *port}, clientOptions()...)
		check(err)
		go p.run(conn)
		return
	}
	p.Lock()
	conn := p.conn
	p.Unlock()
	switch command {
	case "send":
		message, err := hex.DecodeString(argument)
		check(err)
		_, err = conn.Write(message)
		complain(err)
	case "update":
		complain(conn.UpdateKeys(context.Background(), dtls.KeyUpdateOptions{RequestPeerUpdate: argument == "both"}))
	case "close":
		complain(conn.Close())
	}
}

func (p *peer) listen() {
	listener, err := dtls.ListenAddr("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, serverOptions()...)
	check(err)
	say("listening", listener.Addr().(*net.UDPAddr).Port)
	go func() {
		for {
			conn, err := listener.Accept()
			check(err)
			go p.run(conn.(*dtls.Conn))
		}
	}()
}

func (p *peer) run(conn *dtls.Conn) {
	if err := conn.HandshakeContext(context.Background()); err != nil {
		say("failed", err)
		return
	}
	p.Lock()
	p.conn = conn
	p.Unlock()
	state, _ := conn.ConnectionState()
	exported, err := state.ExportKeyingMaterial("EXPORTER-interop", nil, 32)
	check(err)
	facts, err := json.Marshal(map[string]any{
		"isDtls13":     state.NegotiatedVersion() == protocol.Version1_3,
		"suite":        state.CipherSuiteID.String(),
		"alpn":         state.NegotiatedProtocol,
		"certificates": len(state.PeerCertificates),
		"exporter":     hex.EncodeToString(exported),
	})
	check(err)
	if !*echo {
		say("connected", string(facts))
	}
	buffer := make([]byte, 1<<16)
	for {
		n, err := conn.Read(buffer)
		if err == nil && *echo {
			_, err = conn.Write(buffer[:n])
			complain(err)
			continue
		}
		if errors.Is(err, io.EOF) && *echo {
			complain(conn.Close())
			return
		}
		if errors.Is(err, io.EOF) {
			say("closed")
			return
		}
		if err != nil {
			say("failed", err)
			return
		}
		say("message", hex.EncodeToString(buffer[:n]))
	}
}

func shared() []dtls.Option {
	options := []dtls.Option{
		dtls.WithMinVersion(protocol.Version1_3),
		dtls.WithMTU(*mtu),
		dtls.WithFlightInterval(200 * time.Millisecond),
	}
	if *cert != "" {
		chain, err := tls.LoadX509KeyPair(*cert, *key)
		check(err)
		options = append(options, dtls.WithCertificates(chain))
	}
	if *groups != "" {
		var chosen []elliptic.Curve
		for _, name := range strings.Split(*groups, ",") {
			chosen = append(chosen, curves[name])
		}
		options = append(options, dtls.WithEllipticCurves(chosen...))
	}
	if *suite != "" {
		options = append(options, dtls.WithCipherSuites(suites[*suite]))
	}
	if *alpn != "" {
		options = append(options, dtls.WithSupportedProtocols(*alpn))
	}
	if *cid >= 0 {
		options = append(options, dtls.WithConnectionID(dtls.RandomCIDGenerator(*cid), dtls.CIDPathMigrationUnsafe))
	}
	if identity, hexKey, ok := strings.Cut(*psk, ":"); ok {
		secret, err := hex.DecodeString(hexKey)
		check(err)
		entry := dtls.PSK{Identity: []byte(identity), Key: secret}
		options = append(options, dtls.WithPSK(
			func() ([]dtls.PSK, error) { return []dtls.PSK{entry}, nil },
			func([][]byte) (*dtls.PSK, error) { return &entry, nil },
		))
	}
	if *resume {
		options = append(options, dtls.WithSessionStore(&store{sessions: map[string]dtls.Session{}}))
	}
	return options
}

func clientOptions() []dtls.ClientOption {
	options := []dtls.ClientOption{dtls.WithServerName("localhost")}
	if *ca != "" {
		options = append(options, dtls.WithRootCAs(trusted()))
	}
	for _, option := range once() {
		options = append(options, option)
	}
	return options
}

func serverOptions() []dtls.ServerOption {
	options := []dtls.ServerOption{}
	if *clientAuth {
		options = append(options, dtls.WithClientAuth(dtls.RequireAndVerifyClientCert), dtls.WithClientCAs(trusted()))
	}
	for _, option := range once() {
		options = append(options, option)
	}
	return options
}

// once keeps the store of sessions between connections.
var once = sync.OnceValue(shared)

func trusted() *x509.CertPool {
	pem, err := os.ReadFile(*ca)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

type store struct {
	sync.Mutex
	sessions map[string]dtls.Session
}

func (s *store) Set(key []byte, session dtls.Session) error {
	s.Lock()
	defer s.Unlock()
	s.sessions[string(key)] = session
	if session.IsClient {
		say("session")
	}
	return nil
}

func (s *store) Get(key []byte) (dtls.Session, error) {
	s.Lock()
	defer s.Unlock()
	return s.sessions[string(key)], nil
}

func (s *store) Del(key []byte) error {
	s.Lock()
	defer s.Unlock()
	delete(s.sessions, string(key))
	return nil
}

func say(words ...any) { fmt.Println(words...) }

func complain(err error) {
	if err != nil {
		say("failed", err)
	}
}

func check(err error) {
	if err != nil {
		say("failed", err)
		os.Exit(1)
	}
}
