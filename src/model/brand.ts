declare const brand: unique symbol

/** A type that only its parser can make: the cast stands once, after the proof. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name }
