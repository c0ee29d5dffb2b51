/* What the parts of the native helper have in common: arguments from JavaScript, and errors. */
#ifndef ATTESTED_TLS_HELPER_H
#define ATTESTED_TLS_HELPER_H
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern void OPENSSL_cleanse(void *ptr, size_t len);

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

/* Adds `hmac` to the exports (hmac.c). @returns false, perhaps with an exception, if that cannot be */
bool define_hmac(napi_env env, napi_value exports);

#endif
