#include "ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

enum { FEWEST = 1 << 16 };

static int put(uint64_t *table, size_t places, uint64_t id)
{
    size_t place = (id * 0x9E3779B97F4A7C15ull) & (places - 1);
    for (; table[place]; place = (place + 1) & (places - 1))
        if (table[place] == id)
            return 0;
    table[place] = id;
    return 1;
}

static void grow(struct ids *set)
{
    size_t places = set->places ? set->places * 2 : FEWEST;
    uint64_t *table = must(calloc(places, sizeof *table));
    for (size_t i = 0; i < set->places; i++)
        if (set->table[i])
            put(table, places, set->table[i]);
    free(set->table);
    set->table = table;
    set->places = places;
}

int ids_add(struct ids *set, uint64_t id)
{
    if (set->count * 2 >= set->places)
        grow(set);
    int is_new = put(set->table, set->places, id);
    set->count += (size_t)is_new;
    return is_new;
}

void ids_clear(struct ids *set)
{
    if (set->table)
        memset(set->table, 0, set->places * sizeof *set->table);
    set->count = 0;
}

void ids_write(const struct ids *set, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        return;
    }
    for (size_t i = 0; i < set->places; i++)
        if (set->table[i])
            fprintf(file, "%016llx\n", (unsigned long long)set->table[i]);
    fclose(file);
}
