/** The same function, called at most once: every caller gets the first call's result. For modules that are loaded late. */
export function once<Result>(make: () => Result): () => Result {
  let made: { result: Result } | null = null;
  return () => {
    made ??= { result: make() };
    return made.result;
  };
}
