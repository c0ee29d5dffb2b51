//! A peer of dimpl, moved by lines on its standard input; README.md beside ../../run.ts has the language.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use dimpl::crypto::Dtls13CipherSuite;
use dimpl::{Config, Dtls, DtlsCertificate, NamedGroup, Output};

fn main() {
    let options = options();
    let is_client = options["role"] == "client";
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let mut peer = Peer {
        config: Arc::new(config(&options)),
        certificate: certificate(&options),
        remote: options.get("port").map(|port| format!("127.0.0.1:{port}").parse().unwrap()),
        socket,
        dtls: None,
        certificates: 0,
    };
    if !is_client {
        say(&format!("listening {}", peer.socket.local_addr().unwrap().port()));
    }
    let commands = lines();
    loop {
        match commands.try_recv() {
            Ok(line) => peer.obey(&line),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        peer.receive(is_client);
        peer.drain();
    }
}

struct Peer {
    config: Arc<Config>,
    certificate: DtlsCertificate,
    socket: UdpSocket,
    remote: Option<SocketAddr>,
    /// The newest connection.
    dtls: Option<Dtls>,
    certificates: usize,
}

impl Peer {
    fn obey(&mut self, line: &str) {
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        let result = match (command, self.dtls.as_mut()) {
            ("connect", _) => {
                let mut dtls = self.begin();
                dtls.set_active(true);
                let result = dtls.handle_timeout(Instant::now());
                self.dtls = Some(dtls);
                result
            }
            ("send", Some(dtls)) => dtls.send_application_data(&bytes(argument)).map(|_| ()),
            ("close", Some(dtls)) => dtls.close(),
            _ => Ok(()),
        };
        self.check(result);
    }

    fn begin(&self) -> Dtls {
        Dtls::new_13(self.config.clone(), self.certificate.clone(), Instant::now())
    }

    fn receive(&mut self, is_client: bool) {
        let mut buffer = [0; 1 << 16];
        let received = self.socket.recv_from(&mut buffer);
        if self.dtls.is_none() && received.is_ok() && !is_client {
            self.dtls = Some(self.begin());
        }
        let Some(dtls) = self.dtls.as_mut() else { return };
        let mut result = dtls.handle_timeout(Instant::now());
        if let (Ok(_), Ok((length, from))) = (&result, received) {
            self.remote = Some(from);
            result = dtls.handle_packet(&buffer[..length]);
        }
        self.check(result);
    }

    fn drain(&mut self) {
        let (Some(dtls), Some(remote)) = (self.dtls.as_mut(), self.remote) else { return };
        let mut buffer = vec![0; 1 << 16];
        loop {
            match dtls.poll_output(&mut buffer) {
                Output::Packet(datagram) => drop(self.socket.send_to(datagram, remote)),
                Output::Connected => say(&format!(
                    "connected {{\"isDtls13\":true,\"certificates\":{}}}",
                    self.certificates
                )),
                Output::PeerCert(_) => self.certificates = 1,
                Output::ApplicationData(data) => say(&format!("message {}", hex(data))),
                Output::CloseNotify => say("closed"),
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }

    /// Every error is the end of a connection.
    fn check(&mut self, result: Result<(), dimpl::Error>) {
        if let Err(error) = result {
            say(&format!("failed {error:?}"));
            self.drain();
            self.dtls = None;
        }
    }
}

fn config(options: &HashMap<String, String>) -> Config {
    let mut builder = Config::builder()
        .require_client_certificate(options.contains_key("client-auth"))
        .max_queue_rx(200)
        .max_queue_tx(200)
        .flight_start_rto(Duration::from_millis(200));
    if let Some(mtu) = options.get("mtu") {
        builder = builder.mtu(mtu.parse().unwrap());
    }
    if let Some(suite) = options.get("suite") {
        builder = builder.dtls13_cipher_suites(&[match suite.as_str() {
            "TLS_AES_128_GCM_SHA256" => Dtls13CipherSuite::AES_128_GCM_SHA256,
            "TLS_AES_256_GCM_SHA384" => Dtls13CipherSuite::AES_256_GCM_SHA384,
            _ => Dtls13CipherSuite::CHACHA20_POLY1305_SHA256,
        }]);
    }
    if let Some(groups) = options.get("groups") {
        let chosen: Vec<_> = groups
            .split(',')
            .map(|name| match name {
                "P-256" => NamedGroup::Secp256r1,
                "P-384" => NamedGroup::Secp384r1,
                _ => NamedGroup::X25519,
            })
            .collect();
        builder = builder.kx_groups(&chosen);
    }
    builder.build().unwrap()
}

fn certificate(options: &HashMap<String, String>) -> DtlsCertificate {
    let der = |name: &str| {
        let text = std::fs::read(&options[name]).unwrap();
        pem::parse(text).unwrap().into_contents()
    };
    DtlsCertificate { certificate: der("cert"), private_key: der("key") }
}

/// `-name value`, or `-name` alone.
fn options() -> HashMap<String, String> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let named = |argument: &&String| argument.starts_with('-');
    arguments
        .iter()
        .enumerate()
        .filter(|(_, argument)| named(argument))
        .map(|(index, name)| {
            let value = arguments.get(index + 1).filter(|next| !named(next));
            (name.trim_start_matches('-').to_string(), value.cloned().unwrap_or_default())
        })
        .collect()
}

fn lines() -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || sender.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn say(line: &str) {
    println!("{line}");
    std::io::stdout().flush().unwrap();
}
