/* The limit: recv 1 MiB, write it to a file, answer 200. A thread a connection; nothing is parsed but the length. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 20 };

static const char *media;
static atomic_ulong files;

static int write_all(int fd, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(fd, bytes, count);
        if (written <= 0) return -1;
        bytes += written;
        count -= (size_t)written;
    }
    return 0;
}

/* Read one request's headers into buffer; the body's length through *length. Returns where the body begins, or 0. */
static size_t read_headers(int fd, char *buffer, size_t *filled, size_t *length) {
    *filled = 0;
    for (;;) {
        ssize_t got = recv(fd, buffer + *filled, BUFFER_BYTES - 1 - *filled, 0);
        if (got <= 0) return 0;
        *filled += (size_t)got;
        buffer[*filled] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        if (end == NULL) continue;
        *end = '\0';
        char *header = strcasestr(buffer, "\r\ncontent-length:");
        *length = header == NULL ? 0 : strtoull(header + strlen("\r\ncontent-length:"), NULL, 10);
        return (size_t)(end - buffer) + 4;
    }
}

/* Receive one request into a new file; 0 when the connection is to be kept. */
static int serve(int fd, char *buffer) {
    size_t filled, length;
    size_t start = read_headers(fd, buffer, &filled, &length);
    if (start == 0) return -1;
    char path[4096];
    snprintf(path, sizeof path, "%s/%lu", media, atomic_fetch_add(&files, 1));
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (file < 0) return -1;
    int result = write_all(file, buffer + start, filled - start);
    size_t received = filled - start;
    while (result == 0 && received < length) {
        size_t wanted = length - received < BUFFER_BYTES ? length - received : BUFFER_BYTES;
        ssize_t got = recv(fd, buffer, wanted, 0);
        result = got <= 0 ? -1 : write_all(file, buffer, (size_t)got);
        received += got > 0 ? (size_t)got : 0;
    }
    close(file);
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    return result != 0 ? result : write_all(fd, answer, sizeof answer - 1);
}

static void *connection(void *argument) {
    int fd = (int)(long)argument;
    char *buffer = malloc(BUFFER_BYTES);
    while (buffer != NULL && serve(fd, buffer) == 0) {
    }
    free(buffer);
    close(fd);
    return NULL;
}

int main(void) {
    media = getenv("BENCH_MEDIA");
    const char *port = getenv("PORT");
    if (media == NULL || port == NULL) return 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0) {
        perror("recv_write");
        return 1;
    }
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;
        if (fd >= 0 && pthread_create(&thread, NULL, connection, (void *)(long)fd) == 0) pthread_detach(thread);
    }
}
