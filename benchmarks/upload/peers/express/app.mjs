// The Express peer: multer's diskStorage, one process; the work is that of ../submission.py.
import { randomUUID } from 'node:crypto'
import { open } from 'node:fs/promises'

import express from 'express'
import { fileTypeFromBuffer } from 'file-type'
import jwt from 'jsonwebtoken'
import { MongoClient } from 'mongodb'
import multer from 'multer'

const HEAD_BYTES = 4096
const ACCEPTED = new Set(['image/jpeg', 'image/png', 'audio/wav', 'audio/vnd.wave'])
const { BENCH_MEDIA, BENCH_MONGO_URI, BENCH_MONGO_DATABASE, BENCH_SECRET, PORT } = process.env

const client = await new MongoClient(BENCH_MONGO_URI).connect()
const submissions = client.db(BENCH_MONGO_DATABASE).collection('submissions')
const upload = multer({
  storage: multer.diskStorage({
    destination: BENCH_MEDIA,
    filename: (request, file, done) => done(null, randomUUID())
  })
})

function authenticate (request, response, next) {
  const [scheme, token] = (request.get('Authorization') ?? '').split(' ')
  if (scheme !== 'Bearer') return response.status(401).json({ error: 'no token' })
  request.student = jwt.verify(token, BENCH_SECRET, { algorithms: ['HS256'] }).user_id
  next()
}

async function mediaType (path) {
  const head = Buffer.allocUnsafe(HEAD_BYTES)
  const file = await open(path)
  try {
    const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0)
    return (await fileTypeFromBuffer(head.subarray(0, bytesRead)))?.mime
  } finally {
    await file.close()
  }
}

async function submit (request, response) {
  const files = []
  for (const file of request.files) {
    const found = await mediaType(file.path)
    if (!ACCEPTED.has(found)) return response.status(400).json({ error: `${found} is not accepted` })
    files.push({ field: file.fieldname, path: file.filename, media_type: found, size_bytes: file.size })
  }
  const stored = {
    _id: randomUUID(),
    section: request.params.section,
    student: request.student,
    status: 'pending',
    submitted_at: new Date(),
    texts: { ...request.body },
    files
  }
  await submissions.insertOne(stored)
  response.status(201).json({ id: stored._id, status: 'pending', files })
}

const app = express()
app.disable('x-powered-by')
app.disable('etag')
app.get('/healthz', (request, response) => response.json({ status: 'ok' }))
app.post('/multilevel/testcheck/:section/', authenticate, upload.any(), submit)
const server = app.listen(Number(PORT), '127.0.0.1')
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => { server.close(); process.exit(0) })
