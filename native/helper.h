/* What the parts of the native helper have in common: memory that JavaScript fills, its arguments, and errors. */
#ifndef ATTESTED_TLS_HELPER_H
#define ATTESTED_TLS_HELPER_H
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern void OPENSSL_cleanse(void *ptr, size_t len);
/* After whatever may have failed: what OpenSSL says of it would be taken by Node for the reason of the next failure. */
extern void ERR_clear_error(void);

/* How much of what is short, and is asked for often, fits into the memory that JavaScript fills. An array of its own
   would have to leave V8's heap first, which costs more than the cryptography. */
enum { SCRATCH_LENGTH = 1024 };

typedef struct Aead Aead;
typedef struct Hmac Hmac;
typedef struct X25519 X25519;

/* Of one thread. */
typedef struct {
  unsigned char *scratch;
  Aead *aead;
  Hmac *hmac;
  X25519 *x25519;
} Helper;

/* OSSL_PARAM. */
typedef struct {
  const char *key;
  unsigned int data_type;
  void *data;
  size_t data_size;
  size_t return_size;
} Param;
enum { PARAM_UTF8_STRING = 4, PARAM_OCTET_STRING = 5 };

typedef struct {
  unsigned char *data;
  size_t length;
} Bytes;

static inline napi_value type_error(napi_env env, const char *message) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
  return NULL;
}

static inline napi_value range_error(napi_env env, const char *message) {
  napi_throw_range_error(env, "ERR_OUT_OF_RANGE", message);
  return NULL;
}

static inline napi_value failure(napi_env env, const char *message) {
  ERR_clear_error();
  napi_throw_error(env, "ERR_CRYPTO_OPERATION_FAILED", message);
  return NULL;
}

static inline bool bytes_of(napi_env env, napi_value value, Bytes *bytes) {
  bool is_typed_array = false;
  napi_typedarray_type type;
  void *data = NULL;
  if (napi_is_typedarray(env, value, &is_typed_array) != napi_ok || !is_typed_array) return false;
  if (napi_get_typedarray_info(env, value, &type, &bytes->length, &data, NULL, NULL) != napi_ok) return false;
  bytes->data = data;
  /* Memory that was given away has no address; nothing is read or written where there are no bytes. */
  return type == napi_uint8_array && (data != NULL || bytes->length == 0);
}

/* A whole number from 0 to below `end`, which is 2^53 at most. What is missing is undefined, which is no number. */
static inline bool number_of(napi_env env, napi_value value, uint64_t end, uint64_t *number) {
  double given;
  if (napi_get_value_double(env, value, &given) != napi_ok || !(given >= 0 && given < (double)end)) return false;
  *number = (uint64_t)given;
  return (double)*number == given;
}

static inline Helper *helper_of(napi_env env) {
  void *helper = NULL;
  if (napi_get_instance_data(env, &helper) != napi_ok || !helper) return failure(env, "the helper is not ready"), NULL;
  return helper;
}

/* aead.c, hmac.c and x25519.c: the functions of each, and its state, which is NULL where there is no memory for it. */
Aead *new_aead(void);
void free_aead(Aead *aead);
napi_value new_key(napi_env env, napi_callback_info info);
napi_value forget(napi_env env, napi_callback_info info);
napi_value seal(napi_env env, napi_callback_info info);
napi_value open_sealed(napi_env env, napi_callback_info info);
Hmac *new_hmac(void);
void free_hmac(Hmac *hmac);
napi_value hmac(napi_env env, napi_callback_info info);
X25519 *new_x25519(void);
void free_x25519(X25519 *x25519);
napi_value generate(napi_env env, napi_callback_info info);
napi_value agree(napi_env env, napi_callback_info info);

#endif
