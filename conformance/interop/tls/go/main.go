// A TLS 1.3 peer on Go's crypto/tls; conformance/interop/tls/README.md says how it is told what to do.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
)

var (
	address     = flag.String("connect", "", "client: where to")
	name        = flag.String("name", "localhost", "client: whom to expect")
	ca          = flag.String("ca", "", "the certificate that is trusted")
	identity    = flag.String("identity", "", "our certificate and key, in one file")
	alpn        = flag.String("alpn", "", "application protocols, by preference")
	clientAuth  = flag.String("client-auth", "", "server: `required` asks for a certificate")
	connections = flag.Int("connections", 1, "client: how many, one after the other; all but the first resume")
	payload     = flag.String("payload", "", "client: the file that goes there and has to come back")
	chunk       = flag.Int("chunk", 16384, "how many bytes are written at once")
)

func main() {
	log.SetFlags(0)
	role := os.Args[1]
	flag.CommandLine.Parse(os.Args[2:])
	config := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: *name, RootCAs: roots(), ClientCAs: roots()}
	if *identity != "" {
		pair, err := tls.LoadX509KeyPair(*identity, *identity)
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	if *alpn != "" {
		config.NextProtos = strings.Split(*alpn, ":")
	}
	if *clientAuth == "required" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if role == "server" {
		serve(config)
	} else {
		dial(config)
	}
}

func serve(config *tls.Config) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		transport, err := listener.Accept()
		check(err)
		go echo(tls.Server(transport, config))
	}
}

func echo(connection *tls.Conn) {
	defer connection.Close()
	if err := connection.Handshake(); err != nil {
		log.Print(err)
		return
	}
	if asked := connection.ConnectionState().ServerName; asked != *name {
		log.Printf("another name was asked for: %q", asked)
		return
	}
	buffer := make([]byte, 16384)
	for {
		n, err := connection.Read(buffer)
		if writeErr := write(connection, buffer[:n]); writeErr != nil {
			log.Print(writeErr)
			return
		}
		if err != nil {
			if err != io.EOF {
				log.Print(err)
			}
			return
		}
	}
}

func dial(config *tls.Config) {
	data, err := os.ReadFile(*payload)
	check(err)
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := 0; i < *connections; i++ {
		connection, err := tls.Dial("tcp", *address, config)
		check(err)
		if i > 0 && !connection.ConnectionState().DidResume {
			log.Fatal("the session was not resumed")
		}
		failed := make(chan error, 1)
		go func() { failed <- write(connection, data) }()
		back := make([]byte, len(data))
		_, err = io.ReadFull(connection, back)
		check(err)
		check(<-failed)
		if !bytes.Equal(back, data) {
			log.Fatal("what came back is not what was sent")
		}
		check(connection.Close())
	}
	fmt.Println("done")
}

func write(connection *tls.Conn, data []byte) error {
	for len(data) > 0 {
		n := min(*chunk, len(data))
		if _, err := connection.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func roots() *x509.CertPool {
	pem, err := os.ReadFile(*ca)
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
