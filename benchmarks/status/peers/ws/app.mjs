// The node peer: ws, one process. What it does is what ../reviews.py says every peer does.
import { createServer } from 'node:http'

import jwt from 'jsonwebtoken'
import { MongoClient } from 'mongodb'
import { WebSocketServer } from 'ws'

const { BENCH_MONGO_URI, BENCH_MONGO_DATABASE, BENCH_SECRET, BENCH_PING_SECONDS, BENCH_OUTGOING_BYTES, PORT } = process.env
const OUTGOING_BYTES = Number(BENCH_OUTGOING_BYTES)
const OWN_LATEST = 50
const OLDEST_PENDING = 200
const BACKLOG = 4096

const client = await new MongoClient(BENCH_MONGO_URI).connect()
const submissions = client.db(BENCH_MONGO_DATABASE).collection('submissions')
const rooms = new Map()

const verify = token => jwt.verify(token, BENCH_SECRET, { algorithms: ['HS256'] })

function join (room, socket) {
  if (!rooms.has(room)) rooms.set(room, new Set())
  rooms.get(room).add(socket)
  socket.on('close', () => rooms.get(room).delete(socket))
}

function emit (room, type, submission) {
  const sockets = rooms.get(room)
  if (!sockets) return
  const frame = Buffer.from(JSON.stringify({ type, submission }))
  for (const socket of sockets) {
    if (socket.bufferedAmount > OUTGOING_BYTES) socket.terminate() // the bound for a slow client
    else socket.send(frame, { binary: false })
  }
}

async function welcome (socket, token) {
  const claims = verify(token)
  const reviewer = claims.role === 'reviewer'
  const found = reviewer
    ? submissions.find({ status: 'pending' }).sort({ submitted_at: 1 }).limit(OLDEST_PENDING)
    : submissions.find({ 'student.id': String(claims.user_id) }).sort({ submitted_at: -1 }).limit(OWN_LATEST)
  join(reviewer ? 'queue' : `user:${claims.user_id}`, socket)
  socket.send(JSON.stringify({ submissions: await found.toArray() }))
}

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false, clientTracking: true })
sockets.on('connection', socket => {
  socket.isAlive = true
  socket.on('pong', () => { socket.isAlive = true })
  socket.on('error', () => {})
  socket.once('message', data => {
    welcome(socket, JSON.parse(data).token).catch(() => socket.close(4401, 'token'))
  })
})
setInterval(() => { // as the README of ws shows
  for (const socket of sockets.clients) {
    if (!socket.isAlive) { socket.terminate(); continue }
    socket.isAlive = false
    socket.ping()
  }
}, Number(BENCH_PING_SECONDS) * 1000)

async function body (request) {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  return chunks.length ? JSON.parse(Buffer.concat(chunks)) : {}
}

const ROUTE = /^\/multilevel\/manual-reviews\/(\d+)\/(claim\/)?$/

async function act (request) {
  const [, id, claiming] = ROUTE.exec(request.url) ?? []
  if (!id) return [404, { error: 'no such path' }]
  const reviewer = verify((request.headers.authorization ?? '').split(' ')[1])
  if (reviewer.role !== 'reviewer') return [403, { error: 'not a reviewer' }]
  const { score, feedback, revision } = await body(request)
  const name = `Reviewer ${reviewer.user_id}`
  const now = new Date().toISOString()
  let guard = { _id: Number(id), status: 'pending' }
  let change
  if (request.method === 'PUT' && !claiming) {
    guard = { ...guard, revision }
    const grade = { status: 'checked', score: { ...score, max_score: 75 }, feedback, claim: null }
    change = { $set: { ...grade, reviewed_at: now, reviewer: { name, reviewed_at: now } }, $inc: { revision: 1 } }
  } else if (request.method === 'POST' && claiming) {
    const expires_at = new Date(Date.now() + 900_000).toISOString()
    change = { $set: { claim: { reviewer: { id: String(reviewer.user_id), name }, expires_at } } }
  } else if (request.method === 'DELETE' && claiming) {
    change = { $set: { claim: null } }
  } else return [405, { error: 'method' }]
  const submission = await submissions.findOneAndUpdate(guard, change, {
    returnDocument: 'after', projection: { _id: 0 }, writeConcern: { w: 'majority' }
  })
  if (!submission) return [409, { error: 'not pending at this revision' }]
  if (request.method === 'PUT') {
    const { claim, student, ...seen } = submission
    emit(`user:${student.id}`, 'submission.checked', seen)
    emit('queue', 'submission.checked', submission)
  } else emit('queue', request.method === 'POST' ? 'submission.claimed' : 'submission.released', submission)
  return [200, submission]
}

const server = createServer(async (request, response) => {
  const [status, content] = await act(request).catch(error => [500, { error: String(error) }])
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(content))
})
server.on('upgrade', (request, socket, head) => {
  if (request.url !== '/status') return socket.destroy()
  sockets.handleUpgrade(request, socket, head, upgraded => sockets.emit('connection', upgraded, request))
})
server.listen(Number(PORT), '127.0.0.1', BACKLOG)
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0))
