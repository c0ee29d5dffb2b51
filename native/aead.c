/*
 * The AEADs of TLS 1.3 (RFC 8446 §B.4): many nonces for one key, and no memory made for what comes out.
 *
 *   number = newKey()                                     a number for a key; no two keys may have the same
 *   seal(algorithm, number, aadLength, plaintext, output) output.length === plaintext.length + 16
 *   open(algorithm, number, aadLength, sealed, output)    output.length === sealed.length - 16; false for any failure,
 *                                                         all alike, and then `output` is all zeros
 *   forget(number)                                        nothing of the key is kept
 *
 * algorithm: 0 AES-128-GCM, 1 AES-256-GCM, 2 ChaCha20-Poly1305. In `scratch` stand, each time, 32 bytes for the key, the
 * nonce of 12 bytes, and the additional data; the key's place is zero afterwards. Plaintext, sealed and output are
 * Uint8Arrays; what comes out may stand exactly where what goes in stands, or apart from it. Anything else is a
 * TypeError or a RangeError, before a byte of the output is written.
 */
#include "helper.h"

typedef struct evp_cipher_st EVP_CIPHER;
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX;
extern EVP_CIPHER *EVP_CIPHER_fetch(void *libctx, const char *algorithm, const char *properties);
extern void EVP_CIPHER_free(EVP_CIPHER *cipher);
extern EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
extern void EVP_CIPHER_CTX_free(EVP_CIPHER_CTX *ctx);
extern int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *ctx, int type, int arg, void *ptr);
extern int EVP_CipherInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, void *impl, const unsigned char *key,
                             const unsigned char *iv, int enc);
extern int EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *outl, const unsigned char *in, int inl);
extern int EVP_CipherFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *outm, int *outl);
#define EVP_CTRL_AEAD_GET_TAG 0x10
#define EVP_CTRL_AEAD_SET_TAG 0x11

static const char *const ALGORITHMS[] = {"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"};
enum { ALGORITHM_COUNT = sizeof ALGORITHMS / sizeof *ALGORITHMS };
/* Where things stand in the scratch. */
enum { KEY_LENGTH = 32, NONCE = KEY_LENGTH, NONCE_LENGTH = 12, AAD = NONCE + NONCE_LENGTH };
enum { TAG_LENGTH = 16, MAX_INPUT = 1 << 30 };

/* An OpenSSL context, and whose key it has; 0: nobody's. */
typedef struct {
  EVP_CIPHER_CTX *context;
  uint64_t number;
} Slot;

/* To give a context a new key costs a tenth of sealing a record, to make one more than that. So the last keys of each kind stay
   in theirs, and no key has one for good: there is nothing to be freed with each connection. */
enum { SLOT_COUNT = 8 };

struct Aead {
  uint64_t last_number;
  EVP_CIPHER *ciphers[ALGORITHM_COUNT];
  Slot slots[ALGORITHM_COUNT][2][SLOT_COUNT]; /* to open, to seal */
};

Aead *new_aead(void) { return calloc(1, sizeof(Aead)); }

void free_aead(Aead *aead) {
  if (!aead) return;
  Slot *slots = &aead->slots[0][0][0];
  for (size_t i = 0; i < sizeof aead->slots / sizeof *slots; i++) EVP_CIPHER_CTX_free(slots[i].context); /* wipes it */
  for (int i = 0; i < ALGORITHM_COUNT; i++) EVP_CIPHER_free(aead->ciphers[i]); /* NULL is fine */
  free(aead);
}

napi_value new_key(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value number = NULL;
  Helper *helper = helper_of(env);
  if (helper) napi_create_double(env, (double)++helper->aead->last_number, &number);
  return number;
}

napi_value forget(napi_env env, napi_callback_info info) {
  static const unsigned char nothing[KEY_LENGTH] = {0};
  size_t argc = 1;
  napi_value argv[1];
  uint64_t number;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) return NULL;
  Helper *helper = helper_of(env);
  if (!helper) return NULL;
  Aead *aead = helper->aead;
  if (!number_of(env, argv[0], aead->last_number + 1, &number) || number == 0) return range_error(env, "no such key");
  for (int algorithm = 0; algorithm < ALGORITHM_COUNT; algorithm++) {
    for (int direction = 0; direction < 2; direction++) {
      Slot *slot = &aead->slots[algorithm][direction][number % SLOT_COUNT];
      if (slot->number != number) continue;
      slot->number = 0;
      if (EVP_CipherInit_ex(slot->context, NULL, NULL, nothing, NULL, direction) == 1) continue;
      EVP_CIPHER_CTX_free(slot->context);
      slot->context = NULL;
    }
  }
  return NULL;
}

/* A context with the key and the nonce in the scratch; NULL if OpenSSL fails. */
static EVP_CIPHER_CTX *context_of(Helper *helper, size_t algorithm, bool is_sealing, uint64_t number) {
  Aead *aead = helper->aead;
  Slot *slot = &aead->slots[algorithm][is_sealing][number % SLOT_COUNT];
  const unsigned char *key = helper->scratch, *nonce = helper->scratch + NONCE;
  bool is_ready;
  if (slot->context) {
    is_ready =
        EVP_CipherInit_ex(slot->context, NULL, NULL, slot->number == number ? NULL : key, nonce, is_sealing) == 1;
  } else {
    EVP_CIPHER **cipher = &aead->ciphers[algorithm];
    if (!*cipher) *cipher = EVP_CIPHER_fetch(NULL, ALGORITHMS[algorithm], NULL);
    slot->context = *cipher ? EVP_CIPHER_CTX_new() : NULL;
    is_ready = slot->context && EVP_CipherInit_ex(slot->context, *cipher, NULL, key, nonce, is_sealing) == 1;
  }
  slot->number = is_ready ? number : 0;
  if (is_ready) return slot->context;
  EVP_CIPHER_CTX_free(slot->context);
  return slot->context = NULL;
}

typedef struct {
  uint64_t algorithm, number, aad_length;
  Bytes input, output;
  Helper *helper;
} Call;

/* What seal and open have in common. Reads the arguments, and refuses what is not as it must be. */
static bool read_call(napi_env env, napi_callback_info info, bool is_sealing, Call *call) {
  size_t argc = 5;
  napi_value argv[5];
  if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) return false;
  call->helper = helper_of(env);
  if (!call->helper) return false;
  if (!number_of(env, argv[0], ALGORITHM_COUNT, &call->algorithm))
    return range_error(env, "the algorithm is not known"), false;
  if (!number_of(env, argv[1], call->helper->aead->last_number + 1, &call->number) || call->number == 0)
    return range_error(env, "no such key"), false;
  if (!number_of(env, argv[2], SCRATCH_LENGTH - AAD + 1, &call->aad_length))
    return range_error(env, "the additional data do not fit"), false;
  if (!bytes_of(env, argv[3], &call->input) || !bytes_of(env, argv[4], &call->output))
    return type_error(env, "input and output must be Uint8Arrays"), false;
  const Bytes input = call->input, output = call->output;
  if (input.length > MAX_INPUT) return range_error(env, "that is too long"), false;
  if (is_sealing ? output.length != input.length + TAG_LENGTH
                 : input.length < TAG_LENGTH || output.length != input.length - TAG_LENGTH)
    return range_error(env, "the output has a wrong length"), false;
  const uintptr_t in = (uintptr_t)input.data, out = (uintptr_t)output.data;
  if (in != out && in < out + output.length && out < in + input.length)
    return range_error(env, "input and output overlap"), false;
  return true;
}

napi_value seal(napi_env env, napi_callback_info info) {
  Call call;
  if (!read_call(env, info, true, &call)) return NULL;
  const Bytes plaintext = call.input, output = call.output;
  const unsigned char *aad = call.helper->scratch + AAD;
  unsigned char *tag = output.data + plaintext.length;
  int length;
  EVP_CIPHER_CTX *context = context_of(call.helper, call.algorithm, true, call.number);
  OPENSSL_cleanse(call.helper->scratch, KEY_LENGTH);
  const bool is_sealed =
      context && (call.aad_length == 0 || EVP_CipherUpdate(context, NULL, &length, aad, (int)call.aad_length) == 1) &&
      (plaintext.length == 0 ||
       EVP_CipherUpdate(context, output.data, &length, plaintext.data, (int)plaintext.length) == 1) &&
      EVP_CipherFinal_ex(context, tag, &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_LENGTH, tag) == 1;
  if (is_sealed) return NULL;
  OPENSSL_cleanse(output.data, output.length);
  return failure(env, "OpenSSL could not seal");
}

napi_value open_sealed(napi_env env, napi_callback_info info) {
  Call call;
  if (!read_call(env, info, false, &call)) return NULL;
  const Bytes sealed = call.input, output = call.output;
  const unsigned char *aad = call.helper->scratch + AAD;
  unsigned char tag[TAG_LENGTH], rest[TAG_LENGTH];
  int length;
  napi_value result = NULL;
  memcpy(tag, sealed.data + output.length, TAG_LENGTH);
  EVP_CIPHER_CTX *context = context_of(call.helper, call.algorithm, false, call.number);
  OPENSSL_cleanse(call.helper->scratch, KEY_LENGTH);
  const bool is_open =
      context && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_LENGTH, tag) == 1 &&
      (call.aad_length == 0 || EVP_CipherUpdate(context, NULL, &length, aad, (int)call.aad_length) == 1) &&
      (output.length == 0 ||
       EVP_CipherUpdate(context, output.data, &length, sealed.data, (int)output.length) == 1) &&
      EVP_CipherFinal_ex(context, rest, &length) == 1;
  /* Nobody sees plaintext that was not authenticated. */
  if (!is_open && output.length > 0) OPENSSL_cleanse(output.data, output.length);
  if (!is_open) ERR_clear_error();
  napi_get_boolean(env, is_open, &result);
  return result;
}
