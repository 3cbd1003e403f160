/* Receive ring of Channel Access updates: libca's call-backs write records, one reader in Python takes them in whole blocks.
 *
 * libca runs the call-backs of one context one at a time, so there is one writer; the reader is one thread. Both see the ring through
 * two counters only, and neither ever waits. A call-back needs no lock of Python's.
 *
 * No EPICS header is needed: what is used of cadef.h and db_access.h (EPICS base 7) is declared here, and libca is not linked, as that
 * would record its exact version; the program loads it before this library, with its symbols global.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ECA_NORMAL = 1, CA_OP_CONN_UP = 6, DBE_VALUE = 1, DBE_ALARM = 4, DBE_PROPERTY = 8 };
enum { DBF_STRING, DBF_SHORT, DBF_FLOAT, DBF_ENUM, DBF_CHAR, DBF_LONG, DBF_DOUBLE, DBF_TYPES };
enum { DBR_TIME = 14, DBR_CTRL = 28 }; /* a type in its form with alarm and time, or with units and limits, is this much further */

struct event_args { void *usr; void *chid; long type; long count; const void *dbr; int status; };
struct connection_args { void *chid; long op; };
struct exception_args {
    void *usr; void *chid; long type; long count; void *addr; long stat; long op; const char *context; const char *file; unsigned line;
};

extern int ca_create_channel(const char *, void (*)(struct connection_args), void *, unsigned, void **);
extern int ca_clear_channel(void *);
extern void *ca_puser(void *);
extern short ca_field_type(void *);
extern unsigned long ca_element_count(void *);
extern int ca_create_subscription(long, unsigned long, void *, long, void (*)(struct event_args), void *, void **);
extern int ca_clear_subscription(void *);
extern int ca_flush_io(void);
extern int ca_add_exception_event(void (*)(struct exception_args), void *);

/* How a value begins in struct dbr_time_*, by field type, and the size of one element. */
static const unsigned char OFFSET[DBF_TYPES] = {12, 14, 12, 14, 15, 12, 16};
static const unsigned char SIZE[DBF_TYPES] = {40, 2, 4, 2, 1, 4, 8};

/* Kinds of record, as testbeam.transport.ca.records has them. */
enum { VALUE, BLOB, CONNECTED, DISCONNECTED, UNITS, FAILED, EXCEPTION };

struct record { /* 32 bytes */
    uint32_t stream;
    uint8_t kind;
    uint8_t type;      /* field type of the PV */
    int16_t status;
    int16_t severity;
    uint16_t is_array; /* BLOB: whether the PV holds more than one element */
    uint32_t seconds;  /* since 1990 */
    uint32_t nanoseconds;
    uint32_t size;     /* VALUE, BLOB: bytes of the value; CONNECTED: number of elements; FAILED, EXCEPTION: libca's status */
    union { unsigned char raw[8]; uint64_t at; } payload; /* VALUE: the value; BLOB, EXCEPTION: where its bytes are; UNITS: text */
};

struct ring {
    struct record *records;
    unsigned char *blobs;
    uint64_t capacity;      /* of records, a power of two */
    uint64_t blob_capacity; /* bytes, a power of two */
    uint64_t reserve;       /* records that values leave to connections */
    uint64_t blob_head;     /* the writer's own */
    _Alignas(64) _Atomic uint64_t head;
    _Alignas(64) _Atomic uint64_t tail;
    _Atomic uint64_t blob_tail;
    _Alignas(64) _Atomic uint64_t dropped;
    _Atomic int wake; /* file that the reader waits at, -1 for none */
    _Atomic uint64_t missed; /* PVs whose newest value was dropped, since the reader last asked */
};

struct pv {
    struct ring *ring;
    void *chid;
    void *subscription;
    void *properties;
    uint32_t stream;
    short type;
    int is_array;
    int wants_units;
    _Atomic int missed;
};

static void wake(struct ring *);

/* Of functions and records, as VERSION of ring.py, which does not use a library of another one: raise both with any change of them. */
int ring_version(void) { return 1; }

struct ring *ring_new(uint64_t capacity, uint64_t blob_capacity, uint64_t reserve) {
    struct ring *ring = aligned_alloc(64, (sizeof *ring + 63) / 64 * 64);
    if (!ring) return NULL;
    memset(ring, 0, sizeof *ring);
    ring->records = calloc(capacity, sizeof(struct record)); /* so large that its pages are taken when they are first written */
    ring->blobs = malloc(blob_capacity);
    ring->capacity = capacity;
    ring->blob_capacity = blob_capacity;
    ring->reserve = reserve;
    atomic_store(&ring->wake, -1);
    if (ring->records && ring->blobs) return ring;
    free(ring->records);
    free(ring->blobs);
    free(ring);
    return NULL;
}

void ring_free(struct ring *ring) {
    free(ring->records);
    free(ring->blobs);
    free(ring);
}

void *ring_records(struct ring *ring) { return ring->records; }
void *ring_blobs(struct ring *ring) { return ring->blobs; }

/* Reader: what may be read, and that it has been read. */
void ring_bounds(struct ring *ring, uint64_t *tail, uint64_t *head) {
    *tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    *head = atomic_load_explicit(&ring->head, memory_order_acquire);
}

void ring_release(struct ring *ring, uint64_t tail, uint64_t blob_tail) {
    if (blob_tail) atomic_store_explicit(&ring->blob_tail, blob_tail, memory_order_release);
    atomic_store_explicit(&ring->tail, tail, memory_order_release);
}

/* Have `file`, a pipe, written to when the next record comes, or now if one is there. */
void ring_wake(struct ring *ring, int file) {
    atomic_store(&ring->wake, file);
    if (atomic_load(&ring->head) != atomic_load(&ring->tail)) wake(ring);
}

uint64_t ring_dropped(struct ring *ring) { return atomic_exchange(&ring->dropped, 0); }
uint64_t ring_missed(struct ring *ring) { return atomic_exchange(&ring->missed, 0); }

/* Writer. Return the next record, or NULL where fewer than `reserve` are free. */
static struct record *next(struct ring *ring, uint64_t reserve) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head - tail + reserve >= ring->capacity) return NULL;
    return ring->records + (head & (ring->capacity - 1));
}

/* Write to the file that the reader waits at, once. */
static void wake(struct ring *ring) {
    int file = atomic_exchange(&ring->wake, -1);
    if (file >= 0 && write(file, "", 1) < 0) return; /* it is full: the reader wakes all the same */
}

static void publish(struct ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store(&ring->head, head + 1); /* before the look at `wake`, as the reader sets that before its look at `head` */
    if (atomic_load(&ring->wake) >= 0) wake(ring);
}

/* Copy bytes so that they lie in one piece; return where, UINT64_MAX where there is no room. */
static uint64_t put_blob(struct ring *ring, const void *bytes, uint64_t size) {
    uint64_t begin = (ring->blob_head + 7) & ~(uint64_t)7;
    uint64_t offset = begin & (ring->blob_capacity - 1);
    if (offset + size > ring->blob_capacity) begin += ring->blob_capacity - offset;
    if (begin + size - atomic_load_explicit(&ring->blob_tail, memory_order_acquire) > ring->blob_capacity) return UINT64_MAX;
    memcpy(ring->blobs + (begin & (ring->blob_capacity - 1)), bytes, size);
    ring->blob_head = begin + size;
    return begin;
}

static void drop(struct pv *pv) {
    atomic_fetch_add(&pv->ring->dropped, 1);
    if (!atomic_exchange(&pv->missed, 1)) atomic_fetch_add(&pv->ring->missed, 1);
}

static void note(struct pv *pv, int kind, short type, uint32_t size) {
    struct record *record = next(pv->ring, 0);
    if (!record) { drop(pv); return; }
    memset(record, 0, sizeof *record);
    record->stream = pv->stream;
    record->kind = kind;
    record->type = type;
    record->size = size;
    publish(pv->ring);
}

static void on_value(struct event_args args) {
    struct pv *pv = args.usr;
    struct ring *ring = pv->ring;
    if (args.status != ECA_NORMAL || !args.dbr) { note(pv, FAILED, 0, args.status); return; }
    int type = args.type - DBR_TIME;
    uint64_t size = (uint64_t)SIZE[type] * args.count;
    const unsigned char *dbr = args.dbr;
    struct record *record = next(ring, ring->reserve);
    if (!record) { drop(pv); return; }
    if (pv->is_array || type == DBF_STRING) {
        uint64_t at = put_blob(ring, dbr + OFFSET[type], size);
        if (at == UINT64_MAX) { drop(pv); return; }
        record->kind = BLOB;
        record->payload.at = at;
    } else {
        record->kind = VALUE;
        record->payload.at = 0;
        memcpy(record->payload.raw, dbr + OFFSET[type], SIZE[type]);
    }
    record->stream = pv->stream;
    record->type = type;
    record->is_array = pv->is_array;
    memcpy(&record->status, dbr, 4); /* and severity */
    memcpy(&record->seconds, dbr + 4, 8);
    record->size = size;
    publish(ring);
}

static void on_properties(struct event_args args) {
    struct pv *pv = args.usr;
    if (args.status != ECA_NORMAL || !args.dbr) return;
    int type = args.type - DBR_CTRL;
    struct record *record = next(pv->ring, pv->ring->reserve);
    if (!record) { drop(pv); return; }
    memset(record, 0, sizeof *record);
    record->kind = UNITS;
    record->stream = pv->stream;
    record->type = type;
    if (type != DBF_STRING && type != DBF_ENUM)
        memcpy(record->payload.raw, (const char *)args.dbr + (type == DBF_FLOAT || type == DBF_DOUBLE ? 8 : 4), 8);
    publish(pv->ring);
}

static void subscribe_values(struct pv *pv) {
    int status = ca_create_subscription(DBR_TIME + pv->type, pv->is_array ? 0 : 1, pv->chid, DBE_VALUE | DBE_ALARM, on_value, pv,
                                        &pv->subscription);
    if (status != ECA_NORMAL) note(pv, FAILED, 0, status);
}

static void subscribe(struct pv *pv, short type, int is_array) {
    if (pv->subscription) {
        if (type == pv->type && is_array == pv->is_array) return; /* libca renews it by itself */
        ca_clear_subscription(pv->subscription);
        pv->subscription = NULL;
    }
    if (pv->properties) {
        ca_clear_subscription(pv->properties);
        pv->properties = NULL;
    }
    pv->type = type;
    pv->is_array = is_array;
    if (pv->wants_units) ca_create_subscription(DBR_CTRL + type, 1, pv->chid, DBE_PROPERTY, on_properties, pv, &pv->properties);
    subscribe_values(pv);
}

static void on_connection(struct connection_args args) {
    struct pv *pv = ca_puser(args.chid);
    if (args.op != CA_OP_CONN_UP) { note(pv, DISCONNECTED, 0, 0); return; }
    short type = ca_field_type(args.chid);
    unsigned long count = ca_element_count(args.chid);
    if (type < 0 || type >= DBF_TYPES) return; /* gone again */
    pv->chid = args.chid; /* ca_create_channel may not have returned yet */
    note(pv, CONNECTED, type, count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
    subscribe(pv, type, count > 1);
    ca_flush_io();
}

static void on_exception(struct exception_args args) {
    struct ring *ring = args.usr;
    struct record *record = next(ring, 0);
    if (!record) return;
    memset(record, 0, sizeof *record);
    record->kind = EXCEPTION;
    record->size = args.stat;
    publish(ring);
}

/* Reader's thread, attached to the context. */
int ring_listen(struct ring *ring) { return ca_add_exception_event(on_exception, ring); }

struct pv *ring_open(struct ring *ring, const char *name, uint32_t stream, int wants_units, unsigned priority, int *status) {
    struct pv *pv = calloc(1, sizeof *pv);
    if (!pv) { *status = 0; return NULL; }
    pv->ring = ring;
    pv->stream = stream;
    pv->wants_units = wants_units;
    void *chid = NULL;
    *status = ca_create_channel(name, on_connection, pv, priority, &chid);
    if (*status == ECA_NORMAL) {
        pv->chid = chid;
        return pv;
    }
    free(pv);
    return NULL;
}

void ring_close(struct pv *pv) {
    ca_clear_channel(pv->chid); /* with its subscriptions; once it returns none of its call-backs runs any more */
    free(pv);
}

/* Return whether the newest value of a PV was dropped; whoever asks opens it anew, which brings the value of then. */
int ring_has_missed(struct pv *pv) { return atomic_exchange(&pv->missed, 0); }
