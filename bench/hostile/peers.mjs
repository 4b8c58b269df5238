// Executors and an ingest that mean harm.

import { MB, next, sleep } from './program.mjs';
import { RogueExecutor, incident, rogueIngest, submit } from './grpc.mjs';

const state = async (program) =>
  program.running ? `/healthz ${await program.health()}` : `exit ${await program.exited}`;
const huge = 'x'.repeat(3.9 * MB);

// Sends `message(i)` without reading what comes back.
async function flood(ingest, rogue, count, message) {
  let sent = 0;
  rogue.stream.setMaxListeners(0);
  for (; sent < count && !rogue.closed && ingest.running; ++sent) {
    const bytes = message(sent);
    const free = Promise.race([next(rogue.stream, 'drain'), next(rogue.stream, 'close'), sleep(2000)]);
    if (!rogue.send(bytes)) await free;
    await sleep(0);
  }
  await sleep(2000);
  return sent;
}

// `Accepted` of leases that nobody has: ingest answers each with a Cancel.
async function leaseIds(scene) {
  const ingest = await scene.ingest();
  const rogue = new RogueExecutor(ingest, { reads: false });
  const accepted = (lease) => [[3, [[1, lease]]]];
  const sent = await flood(ingest, rogue, 300, (i) => accepted([[1, `${i}${huge.slice(8)}`], [2, 1]]));
  const stream = rogue.closed ? 'closed' : 'open';
  const result = `${sent} lease ids of 3.9 MB sent: peak ${ingest.peak} MB, stream ${stream}, ${await state(ingest)}`;
  rogue.end();
  return result;
}

// Results with long strings.
async function results(scene) {
  const ingest = await scene.ingest(['--circuit-breaker-threshold', '0']);
  const half = huge.slice(0, 1.9 * MB);
  const onOffer = (rogue, lease) => {
    const outcome = [[1, 'failure'], [2, half], [6, 1], [12, half], [13, 1]];
    rogue.send([[3, [[1, lease]]]]);  // Accepted
    rogue.send([[5, [[1, lease], [2, 1]]]]);  // Started
    rogue.send([[6, [[1, lease], [2, outcome]]]]);
    rogue.grant(1);
  };
  const rogues = [];
  let submitted = 0;
  for (; submitted < 250 && ingest.running; ++submitted) {
    if (rogues.length < 20 && (rogues.at(-1)?.closed ?? true)) {
      rogues.push(new RogueExecutor(ingest, { onOffer }));
      await sleep(100);
    }
    const id = await submit(ingest, `pod-${submitted}`);
    for (let i = 0; i < 20 && id && (await incident(ingest, id)).state !== 'finished'; ++i) await sleep(20);
  }
  const offers = rogues.reduce((sum, rogue) => sum + rogue.offers, 0);
  const result = `${offers} results with 3.8 MB of reason and workspace, ${rogues.length} streams: ` +
    `peak ${ingest.peak} MB, ${await state(ingest)}`;
  for (const rogue of rogues) rogue.end();
  return result;
}

export const executors = async (scene) => `${await leaseIds(scene)}; ${await results(scene)}`;

// Welcome with a beat interval of 1 ns.
async function beat(scene, reads) {
  const server = await rogueIngest([[1, 'rogue'], [2, [[2, 1]]], [3, [[1, 60]]]], reads);
  const executor = await scene.executor(server.address().port, 'true');
  await sleep(3000);
  const first = executor.residentNow();
  await sleep(10_000);
  const grown = (executor.residentNow() - first) / 10;
  const result = `ingest that ${reads ? 'reads' : 'does not read'}: ${grown.toFixed(1)} MB/s, ` +
    `peak ${executor.peak} MB, ${server.attachments} attachments, executor ${await state(executor)}`;
  server.end();
  await executor.end();
  return result;
}

export const beats = async (scene) => `${await beat(scene, true)}; ${await beat(scene, false)}`;

export async function rejections(scene) {
  const ingest = await scene.ingest();
  const rogue = new RogueExecutor(ingest, { onOffer: (self, lease) => {
    self.send([[4, [[1, lease], [2, 'no_slot']]]]);
    self.grant(1);
  } });
  await submit(ingest, 'rejected');
  await sleep(10_000);
  const result = `${rogue.offers} offers in 10 s, ${await state(ingest)}`;
  rogue.end();
  return result;
}
