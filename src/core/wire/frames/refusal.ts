/** Why bytes are not a frame that this protocol allows. */
import type { HeddleError } from '../../errors.ts'

export type FrameRefusalKind =
  /** The length is not one that this type of frame may have. */
  | 'payload_length'
  /** A frame of the session names a request, or one of a request names none. */
  | 'stream'
  | 'hello'
  | 'credit'
  /** A field reaches past the end of the payload. */
  | 'cut_short'
  /** Bytes are left where the payload should have ended. */
  | 'bytes_left'
  | 'request_id'
  | 'service'
  | 'method'
  | 'path'
  | 'path_length'
  | 'status'
  | 'header_count'
  | 'header_bytes'
  | 'header_name'
  | 'header_value'
  | 'header_repeated'

export interface FrameRefusal {
  readonly kind: FrameRefusalKind
  /** The type byte of the frame at fault. */
  readonly type: number
  readonly stream: number
}

/** Stands for a frame whose bounds are sound but whose contents are not: only its request suffers. */
export interface RefusedFrame {
  readonly kind: 'refused'
  readonly stream: number
  readonly refusal: FrameRefusal
}

/** The error code under which the sender of a message learns why it cannot be written as a frame. */
export function errorCodeOfRefusal(kind: FrameRefusalKind): HeddleError['code'] {
  switch (kind) {
    case 'path_length':
      return 'uri_too_long'
    case 'header_count':
    case 'header_bytes':
      return 'headers_too_large'
    default:
      return 'invalid_request'
  }
}
