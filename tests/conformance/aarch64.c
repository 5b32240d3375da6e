/* Runs compiled kernels on memory from a file, and writes the memory back.

   The file: size of the memory, place of the job, threads, number of pointers; the places of the pointers, which
   hold places themselves; the memory. All numbers are 64-bit words, all places bytes from the memory's start. */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE 4096
#define MOST 64

void work(int64_t *job, int64_t thread);

static int64_t *job;

static void *enter(void *thread) {
    work(job, (intptr_t)thread);
    return NULL;
}

static void check(int fine, const char *what) {
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static void move(char *memory, const int64_t *places, int64_t count, intptr_t by) {
    for (int64_t n = 0; n < count; n++)
        *(int64_t *)(memory + places[n]) += by;
}

int main(int count, char **arguments) {
    int64_t head[4];
    pthread_t threads[MOST];
    check(count == 2, "one file is needed");
    FILE *file = fopen(arguments[1], "r+b");
    check(file && fread(head, sizeof head, 1, file) == 1 && head[2] <= MOST, "head");
    int64_t *places = malloc(8 * head[3]);
    check(places && fread(places, 8, head[3], file) == (size_t)head[3], "pointers");
    char *memory = aligned_alloc(PAGE, (head[0] + PAGE - 1) / PAGE * PAGE);
    long start = ftell(file);
    check(memory && fread(memory, 1, head[0], file) == (size_t)head[0], "memory");

    move(memory, places, head[3], (intptr_t)memory);
    job = (int64_t *)(memory + head[1]);
    for (intptr_t n = 0; n < head[2]; n++)
        check(!pthread_create(&threads[n], NULL, enter, (void *)n), "thread");
    for (int64_t n = 0; n < head[2]; n++)
        check(!pthread_join(threads[n], NULL), "thread");
    move(memory, places, head[3], -(intptr_t)memory);

    check(!fseek(file, start, SEEK_SET) && fwrite(memory, 1, head[0], file) == (size_t)head[0], "memory");
    check(!fclose(file), "memory");
    return 0;
}
