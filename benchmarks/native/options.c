#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util.h"

struct options options = {
    .host = "127.0.0.1", .port = 587,         .security = STARTTLS, .mode = FRESH, .concurrency = 16,
    .recipients = 1,     .pipelining = 1,     .threads = 1,         .per_connection = 50,
    .size = 4096,        .timeout = 60,       .hold = 5,
};

static const char *const MODES[] = {"fresh", "persist", "idle", "echo"};
static const char *const SECURITIES[] = {"none", "starttls", "implicit"};

const char *mode_name(enum mode mode) { return MODES[mode]; }
const char *security_name(enum security security) { return SECURITIES[security]; }

static void usage(void)
{
    fputs("loadgen --port PORT --users FILE [--host ADDRESS] [--tls starttls|implicit|none]\n"
          "    [--mode fresh|persist|idle|echo] [-c CLIENTS] [-n MESSAGES | -d SECONDS] [-s OCTETS]\n"
          "    [-r RECIPIENTS] [-M MESSAGES_A_CONNECTION] [--no-pipelining] [--threads N]\n"
          "    [--idle CONNECTIONS] [--hold SECONDS] [--timeout SECONDS] [--runid N] [--idlog FILE]\n"
          "FILE has a line `address:password` for each user; echo needs none.\n",
          stderr);
    exit(2);
}

static int one_of(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(word, words[i]))
            return i;
    usage();
    return 0;
}

/* AUTH PLAIN with an initial response (RFC 4616): NUL, the address, NUL, the password. */
static char *auth_command(const char *address, const char *password)
{
    char secret[1024], encoded[1500], *command;
    int length = snprintf(secret, sizeof secret, "%c%s%c%s", 0, address, 0, password);
    if (length < 0 || (size_t)length >= sizeof secret)
        usage();
    EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)secret, length);
    if (asprintf(&command, "AUTH PLAIN %s\r\n", encoded) < 0)
        die("memory");
    return command;
}

static void add_user(const char *address, const char *password)
{
    size_t count = options.user_count++;
    options.users = must(realloc(options.users, sizeof(struct user) * options.user_count));
    options.users[count].address = must(strdup(address));
    options.users[count].auth = auth_command(address, password);
}

static void read_users(const char *path)
{
    char line[512];
    FILE *file = fopen(path, "r");
    if (!file)
        die(path);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = 0;
        add_user(line, colon + 1);
    }
    fclose(file);
}

static void settle(void)
{
    if (!options.user_count && options.mode != ECHO)
        usage();
    if (options.mode == ECHO)
        options.security = IMPLICIT;
    if (options.total <= 0 && options.duration <= 0 && options.mode != IDLE)
        options.total = 1000;
    if (!options.run_id)
        options.run_id = (uint32_t)time(NULL);
    int slots = options.mode == IDLE ? options.idle : options.concurrency;
    if (slots < 1 || options.threads < 1 || options.concurrency < 1)
        usage();
    if (options.threads > slots)
        options.threads = slots;
}

enum { HOST = 256, PORT, TLS, MODE, USERS, NO_PIPELINING, THREADS, IDLE_COUNT, HOLD, RUN_ID, ID_LOG, TIMEOUT };

static const struct option LONG[] = {
    {"host", 1, 0, HOST},       {"port", 1, 0, PORT},     {"tls", 1, 0, TLS},
    {"mode", 1, 0, MODE},       {"users", 1, 0, USERS},   {"no-pipelining", 0, 0, NO_PIPELINING},
    {"threads", 1, 0, THREADS}, {"idle", 1, 0, IDLE_COUNT}, {"hold", 1, 0, HOLD},
    {"runid", 1, 0, RUN_ID},    {"idlog", 1, 0, ID_LOG},  {"timeout", 1, 0, TIMEOUT},
    {0, 0, 0, 0},
};

static void take(int option, char *value)
{
    switch (option) {
    case 'c': options.concurrency = atoi(value); break;
    case 'n': options.total = atol(value); break;
    case 'd': options.duration = atof(value); break;
    case 's': options.size = strtoul(value, NULL, 10); break;
    case 'r': options.recipients = atoi(value); break;
    case 'M': options.per_connection = atoi(value); break;
    case HOST: options.host = value; break;
    case PORT: options.port = atoi(value); break;
    case TLS: options.security = (enum security)one_of(value, SECURITIES, 3); break;
    case MODE: options.mode = (enum mode)one_of(value, MODES, 4); break;
    case USERS: read_users(value); break;
    case NO_PIPELINING: options.pipelining = 0; break;
    case THREADS: options.threads = atoi(value); break;
    case IDLE_COUNT: options.idle = atoi(value); break;
    case HOLD: options.hold = atof(value); break;
    case RUN_ID: options.run_id = (uint32_t)strtoul(value, NULL, 10); break;
    case ID_LOG: options.id_log = value; break;
    case TIMEOUT: options.timeout = atof(value); break;
    default: usage();
    }
}

void read_options(int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "c:n:d:s:r:M:", LONG, NULL)) != -1)
        take(option, optarg);
    settle();
}
