import * as z from 'zod';

/** Source for length: CodeDeploy API model, ApplicationName 1-100. The charset is what fits a path and a shell word. */
export const resourceName = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9+=,.@_-]*$/,
    'letters, digits and + = , . @ _ - only, beginning with a letter or digit',
  );

export const application = z.object({
  /** Stays when the name changes; an application that is created again gets another one. */
  id: z.string(),
  name: resourceName,
  description: z.string().max(256),
  createdAt: z.number().int(),
});
export type Application = z.infer<typeof application>;
