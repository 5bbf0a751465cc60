// SPDX-License-Identifier: MIT
//
// load.js PORT: a Node program that computes and verifies for ever: compiled code and garbage in worker threads, the
// thread pool (crypto, zlib, files), timers, a child by pipes. GET / answers "fine", or status 500 and what was wrong;
// GET /rounds how much was done.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), fs = require('fs'), http = require('http'), zlib = require('zlib');
const { spawn } = require('child_process');

function queens(n, row, left, right, taken) {
	if (row === n)
		return 1;
	let found = 0;
	for (let free = ((1 << n) - 1) & ~(left | right | taken); free; free &= free - 1) {
		const bit = free & -free;
		found += queens(n, row + 1, (left | bit) << 1, (right | bit) >> 1, taken | bit);
	}
	return found;
}

function objects() {
	const m = new Map();
	for (let i = 0; i < 20000; i++) {
		const key = 'k' + (i % 997);
		if (!m.has(key))
			m.set(key, []);
		m.get(key).push({ i, twice: 2 * i });
	}
	let sum = 0;
	for (const list of m.values())
		for (const o of list)
			sum += o.twice - o.i;
	return sum;
}

if (!isMainThread) {
	const common = new Int32Array(workerData);
	setInterval(() => {
		if (queens(9, 0, 0, 0, 0) !== 352)
			parentPort.postMessage('queens');
		if (objects() !== 199990000)
			parentPort.postMessage('objects');
		Atomics.add(common, 0, 1);
	}, 5);
} else {
	const memory = new SharedArrayBuffer(4), common = new Int32Array(memory);
	let wrong = null, ticks = 0, pool = 0, echoed = 0;
	const need = (good, what) => { if (!good && !wrong) wrong = what; };

	for (let i = 0; i < 3; i++) {
		const w = new Worker(__filename, { workerData: memory });
		w.on('message', (text) => need(false, text));
		w.on('error', (e) => need(false, 'worker: ' + e));
		w.on('exit', () => need(false, 'a worker ended'));
	}
	setInterval(() => ticks++, 10);

	const again = () => crypto.pbkdf2('secret', 'salt', 2000, 32, 'sha256', (e, key) => {
		need(!e && key.toString('hex') === expected, 'pbkdf2');
		const text = Buffer.alloc(200000, 'node');
		zlib.gzip(text, (e1, packed) => zlib.gunzip(packed, (e2, back) => {
			need(!e1 && !e2 && back.equals(text), 'zlib');
			fs.writeFile('/tmp/node', text, (e3) => fs.readFile('/tmp/node', (e4, read) => {
				need(!e3 && !e4 && read.equals(text), 'files');
				pool++;
				setImmediate(again);
			}));
		}));
	});
	const expected = crypto.pbkdf2Sync('secret', 'salt', 2000, 32, 'sha256').toString('hex');
	again();

	const cat = spawn('cat');
	cat.stdout.on('data', (d) => {
		need(d.toString() === 'echo ' + echoed, 'the child said ' + d);
		echoed++;
		setTimeout(() => cat.stdin.write('echo ' + echoed), 20);
	});
	cat.on('exit', () => need(false, 'the child ended'));
	cat.stdin.write('echo 0');

	http.createServer({ keepAliveTimeout: 300000 }, (request, reply) => {
		const text = request.url === '/rounds' ? [Atomics.load(common, 0), ticks, pool, echoed].join(' ') : wrong || 'fine';
		reply.writeHead(wrong ? 500 : 200, { 'Content-Length': Buffer.byteLength(text) });
		reply.end(text);
	}).listen(Number(process.argv[2]));
}
