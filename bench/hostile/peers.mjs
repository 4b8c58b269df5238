// Executors and an ingest that mean harm.

import { MB, eventually, next, sleep } from './program.mjs';
import { RogueExecutor, executorAttached, incident, rogueIngest, submit } from './grpc.mjs';

const state = async (program) =>
  program.running ? `/healthz ${await program.health()}` : `exit ${await program.exited}`;
const huge = 'x'.repeat(3.9 * MB);

// Sends `message(i)` without reading what comes back, as long as ingest reads.
async function flood(ingest, rogue, count, message) {
  let sent = 0;
  for (let reads = true; sent < count && reads && !rogue.closed && ingest.running; ++sent) {
    if (!rogue.send(message(sent))) {
      reads = await Promise.race([next(rogue.stream, 'drain'), sleep(3000).then(() => 'none')]) !== 'none';
    }
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
  const attached = ingest.running && (await executorAttached(ingest)) ? 'attached' : 'detached';
  const result = `${sent} lease ids of 3.9 MB sent: peak ${ingest.peak} MB, ${attached}, ${await state(ingest)}`;
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
  for (let i = 0; i < 250 && ingest.running; ++i) {
    if (rogues.at(-1)?.closed ?? true) {
      if (rogues.length === 20) break;
      rogues.push(new RogueExecutor(ingest, { onOffer }));
      await sleep(100);
    }
    const id = await submit(ingest, `pod-${i}`);
    await eventually(async () => rogues.at(-1).closed || (await incident(ingest, id)).state === 'finished', 2000);
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
