import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * A TLS 1.3 peer on Java's JSSE; conformance/interop/tls/README.md says how it is told what to do. Since Java takes its
 * time to start, it takes one job after the other: on each line of its input a number and the arguments, between tabs. What
 * it says begins with that number.
 */
public class Peer {
    private final String number;
    private final String role;
    private final Map<String, String> options = new HashMap<>();
    private final int chunk;

    public static void main(String[] args) throws IOException {
        // After so many bytes JSSE replaces its keys by itself; that is one setting for the whole process.
        if (args.length > 0) Security.setProperty("jdk.tls.keyLimits", "AES/GCM/NoPadding KeyUpdate " + args[0]);
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in));
        for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
            Peer peer = new Peer(line.split("\t"));
            Thread thread = new Thread(peer::run);
            thread.setDaemon(true);
            thread.start();
        }
    }

    private Peer(String[] job) {
        number = job[0];
        role = job[1];
        for (int i = 2; i + 1 < job.length; i += 2) options.put(job[i].substring(1), job[i + 1]);
        chunk = Integer.parseInt(options.getOrDefault("chunk", "16384"));
    }

    private void run() {
        try {
            if (role.equals("server")) serve(context());
            else dial(context());
        } catch (Exception e) {
            say("failed: " + e);
        }
    }

    private void say(String sentence) {
        System.out.println(number + " " + sentence.replace('\n', ' '));
    }

    private void serve(SSLContext context) throws Exception {
        try (SSLServerSocket server = (SSLServerSocket) context.getServerSocketFactory()
            .createServerSocket(0, 50, InetAddress.getByName("127.0.0.1"))) {
            say("port " + server.getLocalPort());
            while (true) {
                SSLSocket socket = (SSLSocket) server.accept();
                socket.setSSLParameters(parameters(socket));
                Thread thread = new Thread(() -> echo(socket));
                thread.setDaemon(true);
                thread.start();
            }
        }
    }

    private void echo(SSLSocket socket) {
        try (socket) {
            socket.startHandshake();
            SNIHostName wanted = new SNIHostName(options.get("name"));
            if (!((ExtendedSSLSession) socket.getSession()).getRequestedServerNames().contains(wanted)) {
                throw new IOException("another name was asked for");
            }
            InputStream in = socket.getInputStream();
            byte[] buffer = new byte[16384];
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) write(socket, Arrays.copyOf(buffer, n));
        } catch (Exception e) {
            say("failed: " + e);
        }
    }

    private void dial(SSLContext context) throws Exception {
        byte[] payload = Files.readAllBytes(Path.of(options.get("payload")));
        String[] address = options.get("connect").split(":");
        long firstEnded = 0;
        for (int i = 0; i < Integer.parseInt(options.getOrDefault("connections", "1")); i++) {
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory()
                .createSocket(address[0], Integer.parseInt(address[1]))) {
                SSLParameters parameters = parameters(socket);
                parameters.setServerNames(List.of(new SNIHostName(options.get("name"))));
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                socket.startHandshake();
                CompletableFuture<Void> writing = CompletableFuture.runAsync(() -> write(socket, payload));
                byte[] back = socket.getInputStream().readNBytes(payload.length);
                writing.get();
                if (!Arrays.equals(back, payload)) throw new IOException("what came back is not what was sent");
                if (i > 0 && socket.getSession().getCreationTime() > firstEnded) {
                    throw new IOException("the session was not resumed");
                }
            }
            if (i == 0) firstEnded = System.currentTimeMillis();
        }
        say("done");
    }

    private void write(SSLSocket socket, byte[] data) {
        try {
            OutputStream out = socket.getOutputStream();
            for (int at = 0; at < data.length; at += chunk) out.write(data, at, Math.min(chunk, data.length - at));
        } catch (IOException e) {
            throw new RuntimeException(e);
        }
    }

    private SSLParameters parameters(SSLSocket socket) {
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setProtocols(new String[] {"TLSv1.3"});
        if (options.containsKey("alpn")) parameters.setApplicationProtocols(options.get("alpn").split(":"));
        if (options.containsKey("client-auth")) parameters.setNeedClientAuth(true);
        return parameters;
    }

    private SSLContext context() throws Exception {
        CertificateFactory certificates = CertificateFactory.getInstance("X.509");
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        try (InputStream ca = Files.newInputStream(Path.of(options.get("ca")))) {
            trusted.setCertificateEntry("ca", certificates.generateCertificate(ca));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
        trust.init(trusted);
        KeyStore own = KeyStore.getInstance(KeyStore.getDefaultType());
        own.load(null, null);
        if (options.containsKey("identity")) {
            String pem = Files.readString(Path.of(options.get("identity")));
            Certificate[] chain = certificates.generateCertificates(new ByteArrayInputStream(
                pem.substring(0, pem.indexOf("-----BEGIN PRIVATE")).getBytes())).toArray(new Certificate[0]);
            own.setKeyEntry("own", privateKey(pem), new char[0], chain);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
        keys.init(own, new char[0]);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static PrivateKey privateKey(String pem) throws Exception {
        String body = pem.replaceAll("(?s).*-----BEGIN PRIVATE KEY-----(.*)-----END PRIVATE KEY-----.*", "$1");
        PKCS8EncodedKeySpec encoded = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(body));
        for (String algorithm : List.of("EC", "RSA", "RSASSA-PSS", "EdDSA")) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(encoded);
            } catch (InvalidKeySpecException e) {
                // It is of another kind.
            }
        }
        throw new IOException("the private key is of no kind that is known here");
    }
}
