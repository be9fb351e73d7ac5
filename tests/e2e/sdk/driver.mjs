/**
 * The official JavaScript SDK, unchanged, as an application uses it: does what the test says, and tells the test
 * all that the SDK tells it, one `{client, event, context}` a message. Runs in node and in a page (see tests/e2e/javascript.py).
 */

const CLIENT_EVENTS = ['connecting', 'connected', 'disconnected', 'subscribed', 'unsubscribed', 'publication']
const SUBSCRIPTION_EVENTS = ['subscribed', 'unsubscribed', 'publication']

/** Take commands from the test at `controlUrl`: `{client: number, command: one of Application's methods, …}`. */
export function drive (Centrifuge, WebSocket, controlUrl) {
  const applications = new Map()
  const control = new WebSocket(controlUrl)
  control.onmessage = ({ data }) => {
    const { client, command, ...content } = JSON.parse(data)
    if (command === 'begin') {
      const tell = (event, context) => control.send(JSON.stringify({ client, event, context }))
      applications.set(client, new Application(Centrifuge, WebSocket, content, tell))
    } else {
      applications.get(client)[command](content)
    }
  }
}

class Application {
  constructor (Centrifuge, WebSocket, { url, token, options }, tell) {
    this.tell = tell
    this.sdk = new Centrifuge(url, {
      token,
      getToken: () => this.askForToken(),
      websocket: watched(WebSocket, (way, text) => tell(way, { text })),
      ...options
    })
    this.listen(this.sdk, CLIENT_EVENTS)
  }

  connect () {
    this.sdk.connect()
  }

  /** All of them in one frame. */
  subscribe ({ channels }) {
    this.sdk.startBatching()
    for (const channel of channels) {
      const known = this.sdk.getSubscription(channel)
      const subscription = known ?? this.sdk.newSubscription(channel)
      if (!known) this.listen(subscription, SUBSCRIPTION_EVENTS)
      subscription.subscribe()
    }
    this.sdk.stopBatching()
  }

  unsubscribe ({ channel }) {
    this.sdk.getSubscription(channel).unsubscribe()
  }

  /** What the application's backend would answer. */
  giveToken ({ token }) {
    this.tokenGiven(token)
  }

  disconnect () {
    this.sdk.disconnect()
  }

  askForToken () {
    this.tell('token')
    return new Promise(resolve => { this.tokenGiven = resolve })
  }

  listen (emitter, events) {
    for (const event of events) emitter.on(event, context => this.tell(event, context))
  }
}

/** The same WebSocket; `seen` is told the text of each frame, and whether it was 'sent' or 'received'. */
function watched (WebSocket, seen) {
  return class extends WebSocket {
    constructor (...settings) {
      super(...settings)
      this.addEventListener('message', ({ data }) => seen('received', data))
    }

    send (text) {
      seen('sent', text)
      super.send(text)
    }
  }
}
