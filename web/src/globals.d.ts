/** The bundled program of `data/worker.ts`, which the build provides. */
declare module "worker:program" {
  const program: string;
  export default program;
}

declare module "*.css" {}
