/** The driver in node: `node node.mjs CONTROL_URL`. */
import { Centrifuge } from 'centrifuge'
import WebSocket from 'ws'
import { drive } from './driver.mjs'

drive(Centrifuge, WebSocket, process.argv[2])
