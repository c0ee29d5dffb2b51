//! A peer of wolfSSL, moved by lines on its standard input; README.md beside ../../run.ts has the language.

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_int, c_uint};
use std::io::{BufRead, Write};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use wolfssl_sys::*;

static PSK: OnceLock<(CString, Vec<u8>)> = OnceLock::new();

fn main() {
    unsafe { wolfSSL_Init() };
    let options = options();
    let is_client = options["role"] == "client";
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    if !is_client {
        say(&format!("listening {}", socket.local_addr().unwrap().port()));
    }
    let mut peer = Peer { context: context(&options, is_client), options, is_client, socket, connection: None, session: null_mut() };
    let commands = lines();
    if !is_client {
        peer.begin();
    }
    loop {
        match commands.try_recv() {
            Ok(line) => peer.obey(&line),
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        peer.step();
        std::thread::sleep(Duration::from_millis(1));
    }
}

struct Peer {
    context: *mut WOLFSSL_CTX,
    options: HashMap<String, String>,
    is_client: bool,
    socket: UdpSocket,
    connection: Option<Connection>,
    session: *mut WOLFSSL_SESSION,
}

struct Connection {
    ssl: *mut WOLFSSL,
    is_open: bool,
    /// When what was not answered is to be sent again.
    again: Instant,
}

impl Peer {
    fn begin(&mut self) {
        let ssl = unsafe { wolfSSL_new(self.context) };
        unsafe {
            // A port of its own for each connection of a client, as for the newest of a server.
            wolfSSL_set_fd(ssl, self.socket.as_raw_fd());
            wolfSSL_dtls_set_using_nonblock(ssl, 1);
            wolfSSL_dtls13_allow_ch_frag(ssl, 1);
            // For the exporter.
            wolfSSL_KeepArrays(ssl);
        }
        self.configure(ssl);
        self.connection = Some(Connection { ssl, is_open: false, again: Instant::now() + Duration::from_secs(1) });
    }

    fn configure(&self, ssl: *mut WOLFSSL) {
        let option = |name: &str| self.options.get(name);
        unsafe {
            if let Some(port) = option("port") {
                let mut address: libc::sockaddr_in = std::mem::zeroed();
                address.sin_family = libc::AF_INET as u16;
                address.sin_port = port.parse::<u16>().unwrap().to_be();
                address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
                let length = size_of::<libc::sockaddr_in>() as c_uint;
                wolfSSL_dtls_set_peer(ssl, (&raw mut address).cast(), length);
            }
            if let Some(mtu) = option("mtu") {
                wolfSSL_dtls_set_mtu(ssl, mtu.parse().unwrap());
            }
            if let Some(groups) = option("groups") {
                let mut numbers: Vec<c_int> = groups.split(',').map(group).collect();
                wolfSSL_set_groups(ssl, numbers.as_mut_ptr(), numbers.len() as c_int);
                if self.is_client {
                    wolfSSL_UseKeyShare(ssl, numbers[0] as u16);
                }
            }
            if let Some(protocol) = option("alpn") {
                let mut list = protocol.clone().into_bytes();
                let mode = WOLFSSL_ALPN_FAILED_ON_MISMATCH as u8;
                wolfSSL_UseALPN(ssl, list.as_mut_ptr().cast(), list.len() as c_uint, mode);
            }
            if let Some(length) = option("cid") {
                let length: usize = length.parse().unwrap();
                let mut id: Vec<u8> = (0..length as u8).map(|i| i + 1).collect();
                wolfSSL_dtls_cid_use(ssl);
                wolfSSL_dtls_cid_set(ssl, id.as_mut_ptr(), length as c_uint);
            }
            if !self.session.is_null() {
                wolfSSL_set_session(ssl, self.session);
            }
        }
    }

    fn obey(&mut self, line: &str) {
        let (command, argument) = line.split_once(' ').unwrap_or((line, ""));
        if command == "connect" {
            self.socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            self.socket.set_nonblocking(true).unwrap();
            self.begin();
            return;
        }
        let Some(Connection { ssl, .. }) = self.connection else { return };
        let result = unsafe {
            match command {
                "send" => {
                    let message = bytes(argument);
                    wolfSSL_write(ssl, message.as_ptr().cast(), message.len() as c_int)
                }
                "update" => wolfSSL_update_keys(ssl),
                "close" => wolfSSL_shutdown(ssl).max(1),
                _ => 1,
            }
        };
        self.complain(ssl, result);
    }

    fn step(&mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        let ssl = connection.ssl;
        if Instant::now() >= connection.again {
            connection.again = Instant::now() + Duration::from_millis(500);
            // A server that has not been spoken to has nothing to say again.
            unsafe { wolfSSL_dtls_got_timeout(ssl) };
        }
        if connection.is_open {
            self.read(ssl);
        } else {
            self.shake_hands(ssl);
        }
    }

    fn shake_hands(&mut self, ssl: *mut WOLFSSL) {
        let result = unsafe { if self.is_client { wolfSSL_connect(ssl) } else { wolfSSL_accept(ssl) } };
        if result != 1 {
            self.complain(ssl, result);
            return;
        }
        if let Some(connection) = self.connection.as_mut() {
            connection.is_open = true;
        }
        let mut exported = [0u8; 32];
        let label = "EXPORTER-interop";
        unsafe {
            let (out, text) = (exported.as_mut_ptr(), label.as_ptr().cast());
            wolfSSL_export_keying_material(ssl, out, 32, text, label.len(), null_mut(), 0, 0);
        }
        say(&format!("connected {{\"isDtls13\":true,\"exporter\":\"{}\"}}", hex(&exported)));
    }

    fn read(&mut self, ssl: *mut WOLFSSL) {
        let mut buffer = vec![0u8; 1 << 15];
        let length = unsafe { wolfSSL_read(ssl, buffer.as_mut_ptr().cast(), buffer.len() as c_int) };
        if length > 0 {
            say(&format!("message {}", hex(&buffer[..length as usize])));
            return;
        }
        if unsafe { wolfSSL_get_error(ssl, length) } == WOLFSSL_ERROR_ZERO_RETURN as c_int {
            say("closed");
            self.connection = None;
            if !self.is_client {
                self.begin();
            }
            return;
        }
        self.complain(ssl, length);
        if self.is_client && self.options.contains_key("resume") && self.session.is_null() {
            let mut ticket = vec![0u8; 1 << 12];
            let mut length = ticket.len() as c_uint;
            unsafe { wolfSSL_get_SessionTicket(ssl, ticket.as_mut_ptr(), &mut length) };
            if length > 0 {
                self.session = unsafe { wolfSSL_get1_session(ssl) };
                say("session");
            }
        }
    }

    fn complain(&mut self, ssl: *mut WOLFSSL, result: c_int) {
        let error = unsafe { wolfSSL_get_error(ssl, result) };
        let waits = [WOLFSSL_ERROR_WANT_READ as c_int, WOLFSSL_ERROR_WANT_WRITE as c_int];
        // Where a datagram was not wanted the system says so with the next call; that is no error of the connection.
        let is_lost = error == WOLFSSL_ERROR_SYSCALL && self.connection.as_ref().is_some_and(|it| it.is_open);
        if result > 0 || error == 0 || is_lost || waits.contains(&error) {
            return;
        }
        say(&format!("failed wolfSSL error {error}"));
        self.connection = None;
    }
}

fn context(options: &HashMap<String, String>, is_client: bool) -> *mut WOLFSSL_CTX {
    let path = |name: &str| options.get(name).map(|path| CString::new(path.as_str()).unwrap());
    unsafe {
        let method = if is_client { wolfDTLSv1_3_client_method() } else { wolfDTLSv1_3_server_method() };
        let context = wolfSSL_CTX_new(method);
        if let Some(file) = path("ca") {
            wolfSSL_CTX_load_verify_locations(context, file.as_ptr(), null_mut());
        }
        if let (Some(cert), Some(key)) = (path("cert"), path("key")) {
            wolfSSL_CTX_use_certificate_chain_file(context, cert.as_ptr());
            wolfSSL_CTX_use_PrivateKey_file(context, key.as_ptr(), WOLFSSL_FILETYPE_PEM as c_int);
        }
        if options.contains_key("client-auth") && !is_client {
            let mode = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
            wolfSSL_CTX_set_verify(context, mode as c_int, None);
        }
        if let Some(suite) = options.get("suite") {
            let name = suite.replace("TLS_", "TLS13-").replace("AES_", "AES").replace('_', "-");
            let name = CString::new(name).unwrap();
            wolfSSL_CTX_set_cipher_list(context, name.as_ptr());
        }
        if let Some((identity, key)) = options.get("psk").and_then(|psk| psk.split_once(':')) {
            let _ = PSK.set((CString::new(identity).unwrap(), bytes(key)));
            wolfSSL_CTX_set_psk_client_tls13_callback(context, Some(client_psk));
            wolfSSL_CTX_set_psk_server_tls13_callback(context, Some(server_psk));
        }
        context
    }
}

/// What `wolfSSL_get_error` says of a socket's error.
const WOLFSSL_ERROR_SYSCALL: c_int = -1;

const SUITE: &[u8] = b"TLS13-AES128-GCM-SHA256\0";

unsafe extern "C" fn client_psk(
    _: *mut WOLFSSL,
    _: *const c_char,
    identity: *mut c_char,
    room: c_uint,
    key: *mut u8,
    _: c_uint,
    suite: *mut *const c_char,
) -> c_uint {
    let (own, secret) = PSK.get().unwrap();
    unsafe {
        libc::strncpy(identity, own.as_ptr(), room as usize);
        std::ptr::copy_nonoverlapping(secret.as_ptr(), key, secret.len());
        *suite = SUITE.as_ptr().cast();
    }
    secret.len() as c_uint
}

unsafe extern "C" fn server_psk(
    _: *mut WOLFSSL,
    _: *const c_char,
    key: *mut u8,
    _: c_uint,
    suite: *mut *const c_char,
) -> c_uint {
    let (_, secret) = PSK.get().unwrap();
    unsafe {
        std::ptr::copy_nonoverlapping(secret.as_ptr(), key, secret.len());
        *suite = SUITE.as_ptr().cast();
    }
    secret.len() as c_uint
}

fn group(name: &str) -> c_int {
    match name {
        "P-256" => 23,
        "P-384" => 24,
        "X25519MLKEM768" => 4588,
        _ => 29,
    }
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

