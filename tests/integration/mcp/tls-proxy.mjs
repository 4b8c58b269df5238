// TLS in front of a server that speaks plain HTTP.
//   node tls-proxy.mjs BACKEND_PORT CERT KEY [CA]
// With CA a client must show a certificate of that authority. Prints the port that it listens on.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';

const [backend, cert, key, ca] = process.argv.slice(2);
const options = {
  cert: readFileSync(cert),
  key: readFileSync(key),
  ...(ca && { ca: readFileSync(ca), requestCert: true, rejectUnauthorized: true }),
};

const server = tls.createServer(options, (client) => {
  const plain = net.connect(Number(backend), '127.0.0.1');
  client.pipe(plain).pipe(client);
  for (const [one, other] of [[client, plain], [plain, client]]) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
});
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
