/* The limit: one thread, epoll, and for each event one send() to every client. No token, no check, no database. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_CLIENTS = 1 << 16, BUFFER_BYTES = 1 << 16, BACKLOG = 4096, PAYLOAD_BYTES = 856 };

enum { UNKNOWN, GREETED, SERVED };

static int clients[MOST_CLIENTS], count;
static char state[MOST_CLIENTS], buffer[BUFFER_BYTES];

static void send_text(int fd, const char *text) {
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) perror("send");
}

/* An unmasked text frame of PAYLOAD_BYTES about one submission. */
static void tell_all(const char *type, long submission) {
    static char frame[4 + PAYLOAD_BYTES + 1];
    memcpy(frame, (char[]){(char)0x81, 126, PAYLOAD_BYTES >> 8, (char)(PAYLOAD_BYTES & 0xff)}, 4);
    int used = snprintf(frame + 4, PAYLOAD_BYTES + 1, "{\"type\":\"%s\",\"submission\":{\"manual_review_id\":%ld,"
                        "\"padding\":\"", type, submission);
    memset(frame + 4 + used, 'x', (size_t)(PAYLOAD_BYTES - used));
    memcpy(frame + 4 + PAYLOAD_BYTES - 3, "\"}}", 3);
    for (int place = 0; place < count; place++)
        if (send(clients[place], frame, 4 + PAYLOAD_BYTES, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) perror("send");
}

static void leave(int fd) {
    if (state[fd] == SERVED)
        for (int place = 0; place < count; place++)
            if (clients[place] == fd) clients[place--] = clients[--count];
    state[fd] = UNKNOWN;
    close(fd);
}

static void serve(int fd) {
    ssize_t got = recv(fd, buffer, BUFFER_BYTES - 1, 0);
    if (got <= 0) {
        leave(fd);
        return;
    }
    buffer[got] = '\0';
    if (state[fd] == GREETED) { /* its token */
        state[fd] = SERVED;
        clients[count++] = fd;
        send_text(fd, "\x81\x12{\"submissions\":[]}");
    } else if (state[fd] == UNKNOWN && strstr(buffer, "Upgrade: websocket") != NULL) {
        state[fd] = GREETED;
        send_text(fd, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    } else if (state[fd] == UNKNOWN) {
        char *number = strstr(buffer, "/manual-reviews/");
        long submission = number == NULL ? 0 : strtol(number + strlen("/manual-reviews/"), NULL, 10);
        tell_all(buffer[0] == 'P' ? "submission.claimed" : "submission.released", submission);
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    } /* else a pong */
}

int main(void) {
    int on = 1, listening = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(getenv("PORT")))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) < 0 || listen(listening, BACKLOG) < 0) {
        perror("listen");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listening}, ready[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        int found = epoll_wait(epoll, ready, 256, -1);
        for (int place = 0; place < found; place++) {
            if (ready[place].data.fd != listening) {
                serve(ready[place].data.fd);
                continue;
            }
            int fd = accept(listening, NULL, NULL);
            if (fd < 0 || fd >= MOST_CLIENTS) return 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
