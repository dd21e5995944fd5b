/* The sink: an HTTP/1.1 server that costs next to nothing, so that what is measured is the client.
 *
 *     cc -O2 -o sink sink.c && ./sink LATENCY_MS [JSON]
 *
 * It listens on a port of the loopback that the system chooses and that it prints. It reads and
 * forgets bodies, counts requests, bytes and rows, and answers after LATENCY_MS: "200" with JSON
 * where that is given, else "204". `GET /stats` tells the counts, `GET /reset` begins them anew.
 * One thread, epoll (Linux). It ends when its standard input ends, that is with whoever started it.
 *
 * It knows of HTTP only what the clients here need: bodies with a Content-Length, one request at
 * a time on a connection. To a chunked body it says 411 and hangs up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 8192
#define ANSWERS_MAX 65536 /* those due at once; a power of two */
#define HEAD_MAX 16384
#define READ_MAX (1 << 20)
#define EVENTS_MAX 256
#define US_PER_MS 1000L

/* Each row of a bulk body names its key once. A value cannot: quotes are escaped in it. */
#define MARK "\"integrationId\""
#define MARK_SIZE (sizeof MARK - 1)
#define TAIL_MAX (MARK_SIZE - 1)

struct connection {
    unsigned long id;      /* file descriptors are used again, these are not */
    long body_left;        /* bytes of the body that are still to come; 0 in a head */
    size_t head_size;
    char head[HEAD_MAX];
    size_t tail_size;      /* the end of what was read of a body: a mark may stand across two reads */
    char tail[TAIL_MAX];
};

struct due {
    long at_us;
    int fd;
    unsigned long id;
};

static struct connection *connections[CONNECTIONS_MAX];
static unsigned long connections_made;
static struct due answers[ANSWERS_MAX]; /* one latency for all: first come, first due */
static unsigned first_due, next_due;
static long requests, body_bytes, rows;
static long latency_us;
static char answer[4096];
static size_t answer_size;

static long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void hang_up(int fd) {
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void say(int fd, const char *text, size_t size) {
    (void)!send(fd, text, size, MSG_NOSIGNAL); /* a few bytes always fit into a socket's buffer */
}

static void say_stats(int fd) {
    char body[256], text[512];
    int size = snprintf(body, sizeof body, "{\"requests\":%ld,\"bytes\":%ld,\"rows\":%ld}", requests,
                        body_bytes, rows);
    size = snprintf(text, sizeof text,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                    "Content-Length: %d\r\n\r\n%s",
                    size, body);
    say(fd, text, size);
}

static long marks(const char *bytes, size_t size) {
    long found = 0;
    const char *end = bytes + size;
    while ((bytes = memmem(bytes, end - bytes, MARK, MARK_SIZE))) {
        found++;
        bytes += MARK_SIZE;
    }
    return found;
}

/* Count the marks in a piece of a body, and those that began in the piece before. */
static void count_rows(struct connection *c, const char *bytes, size_t size) {
    char seam[2 * TAIL_MAX];
    size_t head_size = size < TAIL_MAX ? size : TAIL_MAX;
    memcpy(seam, c->tail, c->tail_size);
    memcpy(seam + c->tail_size, bytes, head_size);
    size_t seam_size = c->tail_size + head_size;
    rows += marks(seam, seam_size) + marks(bytes, size);

    const char *end = size < TAIL_MAX ? seam + seam_size : bytes + size;
    c->tail_size = size < TAIL_MAX && seam_size < TAIL_MAX ? seam_size : TAIL_MAX;
    memcpy(c->tail, end - c->tail_size, c->tail_size);
}

/* A request is whole: answer it now, or when it is due. */
static void request_ended(int fd) {
    struct connection *c = connections[fd];
    c->tail_size = 0;
    requests++;
    if (latency_us == 0) {
        say(fd, answer, answer_size);
    } else if (next_due - first_due < ANSWERS_MAX) {
        answers[next_due++ % ANSWERS_MAX] = (struct due){now_us() + latency_us, fd, c->id};
    }
}

/* A head is whole: say how to go on; false: hang up. */
static int head_ended(int fd, char *head) {
    static const char length_required[] = "HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\n\r\n";
    struct connection *c = connections[fd];
    if (!strncmp(head, "GET /reset ", 11)) requests = body_bytes = rows = 0;
    if (!strncmp(head, "GET /reset ", 11) || !strncmp(head, "GET /stats ", 11)) {
        say_stats(fd);
        return 1;
    }
    if (strcasestr(head, "\r\ntransfer-encoding:")) {
        say(fd, length_required, sizeof length_required - 1);
        return 0;
    }
    char *length = strcasestr(head, "\r\ncontent-length:");
    c->body_left = length ? atol(length + strlen("\r\ncontent-length:")) : 0;
    if (c->body_left == 0) request_ended(fd);
    return 1;
}

/* Take what was read from a connection; false: hang up. */
static int take(int fd, const char *bytes, size_t size) {
    struct connection *c = connections[fd];
    while (size > 0) {
        if (c->body_left > 0) {
            size_t piece = size < (size_t)c->body_left ? size : (size_t)c->body_left;
            count_rows(c, bytes, piece);
            body_bytes += piece;
            c->body_left -= piece;
            bytes += piece;
            size -= piece;
            if (c->body_left == 0) request_ended(fd);
            continue;
        }
        size_t before = c->head_size, room = HEAD_MAX - 1 - before;
        size_t piece = size < room ? size : room;
        if (piece == 0) return 0;
        memcpy(c->head + before, bytes, piece);
        c->head_size += piece;
        char *end = memmem(c->head, c->head_size, "\r\n\r\n", 4);
        size_t used = end ? (size_t)(end + 4 - c->head) - before : piece;
        bytes += used;
        size -= used;
        if (!end) continue;
        *end = 0;
        c->head_size = 0;
        if (!head_ended(fd, c->head)) return 0;
    }
    return 1;
}

static void take_calls(int listener, int events) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = fd < CONNECTIONS_MAX ? calloc(1, sizeof *c) : NULL;
        if (!c) {
            close(fd);
            continue;
        }
        c->id = ++connections_made;
        connections[fd] = c;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(events, EPOLL_CTL_ADD, fd, &event);
    }
}

static void read_from(int fd) {
    static char bytes[READ_MAX];
    ssize_t size = recv(fd, bytes, sizeof bytes, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0 || !take(fd, bytes, size)) hang_up(fd);
}

static void answer_what_is_due(void) {
    long now = now_us();
    for (; first_due != next_due; first_due++) {
        struct due *d = &answers[first_due % ANSWERS_MAX];
        if (d->at_us > now) return;
        if (connections[d->fd] && connections[d->fd]->id == d->id) say(d->fd, answer, answer_size);
    }
}

static int wait_ms(void) {
    if (first_due == next_due) return -1;
    long us = answers[first_due % ANSWERS_MAX].at_us - now_us();
    return us <= 0 ? 0 : (us + US_PER_MS - 1) / US_PER_MS;
}

/* Listen on the loopback and print the port. */
static int listen_somewhere(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&address, &size)) {
        perror("sink");
        exit(1);
    }
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: sink LATENCY_MS [JSON]\n");
        return 2;
    }
    latency_us = atol(arguments[1]) * US_PER_MS;
    answer_size = count > 2 ? snprintf(answer, sizeof answer,
                                       "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                       "Content-Length: %zu\r\n\r\n%s",
                                       strlen(arguments[2]), arguments[2])
                            : snprintf(answer, sizeof answer, "HTTP/1.1 204 No Content\r\n\r\n");
    if (answer_size >= sizeof answer) {
        fprintf(stderr, "sink: the JSON is too long\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_somewhere(), events = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, happened[EVENTS_MAX];
    epoll_ctl(events, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = STDIN_FILENO;
    epoll_ctl(events, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    for (;;) {
        int size = epoll_wait(events, happened, EVENTS_MAX, wait_ms());
        for (int i = 0; i < size; i++) {
            int fd = happened[i].data.fd;
            char ignored[64];
            if (fd == listener) take_calls(listener, events);
            else if (fd != STDIN_FILENO) read_from(fd);
            else if (read(fd, ignored, sizeof ignored) <= 0) return 0;
        }
        answer_what_is_due();
    }
}
