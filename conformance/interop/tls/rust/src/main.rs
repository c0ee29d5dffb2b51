//! A TLS 1.3 peer on rustls; conformance/interop/tls/README.md says how it is told what to do.
use rustls::client::{ClientConnection, Resumption};
use rustls::crypto::{aws_lc_rs, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use rustls::{ClientConfig, Connection, HandshakeKind, RootCertStore, ServerConfig};
use std::collections::HashMap;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Options = HashMap<String, String>;

fn main() -> Fallible<()> {
    let mut args = std::env::args().skip(1);
    let role = args.next().ok_or("server or client?")?;
    let mut options = Options::new();
    while let (Some(name), Some(value)) = (args.next(), args.next()) {
        options.insert(name.trim_start_matches('-').into(), value);
    }
    if role == "server" { serve(&options) } else { dial(&options) }
}

fn serve(options: &Options) -> Fallible<()> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let builder = if options.contains_key("client-auth") {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(options)?), provider());
        builder.with_client_cert_verifier(verifier.build()?)
    } else {
        builder.with_no_client_auth()
    };
    let (chain, key) = identity(options)?.ok_or("a server needs an identity")?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = protocols(options);
    if options.contains_key("early-data") {
        // Sessions that are kept, and given away once: tickets that hold all of one are not for early data.
        config.max_early_data_size = 16384;
    } else {
        config.ticketer = aws_lc_rs::Ticketer::new()?;
    }
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("port {}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (stream, options) = (stream?, options.clone());
        let connection = ServerConnection::new(config.clone())?;
        thread::spawn(move || {
            if let Err(error) = echo(connection, stream, &options) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn echo(mut connection: ServerConnection, mut stream: TcpStream, options: &Options) -> Fallible<()> {
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    if connection.server_name() != options.get("name").map(String::as_str) {
        return Err("another name was asked for".into());
    }
    let mut early = Vec::new();
    if let Some(mut data) = connection.early_data() {
        data.read_to_end(&mut early)?;
    }
    let mut connection = Connection::from(connection);
    if options.contains_key("key-update") {
        connection.refresh_traffic_keys()?;
    }
    write(&mut connection, &mut stream, &early, options)?;
    let mut buffer = [0; 16384];
    loop {
        let n = read(&mut connection, &mut stream, &mut buffer)?;
        if n == 0 {
            break;
        }
        write(&mut connection, &mut stream, &buffer[..n], options)?;
    }
    connection.send_close_notify();
    flush(&mut connection, &mut stream)
}

fn dial(options: &Options) -> Fallible<()> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(options)?);
    let mut config = match identity(options)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = protocols(options);
    config.resumption = Resumption::in_memory_sessions(4);
    config.enable_early_data = options.contains_key("early-data");
    let config = Arc::new(config);
    let payload = std::fs::read(&options["payload"])?;
    for i in 0..number(options, "connections").unwrap_or(1) {
        let name = options.get("name").map_or("localhost", String::as_str);
        let mut client = ClientConnection::new(config.clone(), ServerName::try_from(name.to_owned())?)?;
        let mut stream = TcpStream::connect(&options["connect"])?;
        let mut early = 0;
        if let Some(mut data) = client.early_data() {
            early = payload.len() / 2;
            data.write_all(&payload[..early])?;
        }
        while client.is_handshaking() {
            client.complete_io(&mut stream)?;
        }
        if i > 0 && client.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Err("the session was not resumed".into());
        }
        if i > 0 && options.get("early-data").is_some_and(|wanted| client.is_early_data_accepted() != (wanted == "accepted")) {
            return Err("early data was not treated as expected".into());
        }
        // What was refused as early data is sent again.
        let rest = if client.is_early_data_accepted() { &payload[early..] } else { &payload[..] };
        let mut connection = Connection::from(client);
        if options.contains_key("key-update") {
            connection.refresh_traffic_keys()?;
        }
        let mut back = Vec::with_capacity(payload.len());
        let mut buffer = [0; 16384];
        write(&mut connection, &mut stream, rest, options)?;
        while back.len() < payload.len() {
            let n = read(&mut connection, &mut stream, &mut buffer)?;
            if n == 0 {
                return Err("the server ended too early".into());
            }
            back.extend_from_slice(&buffer[..n]);
        }
        if back != payload {
            return Err("what came back is not what was sent".into());
        }
        connection.send_close_notify();
        flush(&mut connection, &mut stream)?;
        while read(&mut connection, &mut stream, &mut buffer)? > 0 {}
    }
    println!("done");
    Ok(())
}

/// Reads application data. 0: the peer has said close_notify.
fn read(connection: &mut Connection, stream: &mut TcpStream, buffer: &mut [u8]) -> Fallible<usize> {
    loop {
        match connection.reader().read(buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            outcome => return Ok(outcome?),
        }
        flush(connection, stream)?;
        if connection.read_tls(stream)? == 0 {
            return Err("the peer closed the connection without close_notify".into());
        }
        if let Err(error) = connection.process_new_packets() {
            flush(connection, stream)?;
            return Err(error.into());
        }
    }
}

fn write(connection: &mut Connection, stream: &mut TcpStream, data: &[u8], options: &Options) -> Fallible<()> {
    for piece in data.chunks(number(options, "chunk").unwrap_or(16384)) {
        connection.writer().write_all(piece)?;
        flush(connection, stream)?;
    }
    Ok(())
}

fn flush(connection: &mut Connection, stream: &mut TcpStream) -> Fallible<()> {
    while connection.wants_write() {
        connection.write_tls(stream)?;
    }
    Ok(())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn identity(options: &Options) -> Fallible<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
    let Some(file) = options.get("identity") else { return Ok(None) };
    let chain = CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?;
    Ok(Some((chain, PrivateKeyDer::from_pem_file(file)?)))
}

fn roots(options: &Options) -> Fallible<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&options["ca"])?)?;
    Ok(roots)
}

fn protocols(options: &Options) -> Vec<Vec<u8>> {
    options.get("alpn").map_or(Vec::new(), |names| names.split(':').map(|name| name.as_bytes().to_vec()).collect())
}

fn number(options: &Options, name: &str) -> Option<usize> {
    options.get(name).and_then(|value| value.parse().ok())
}
