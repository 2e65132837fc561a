/** What the admin API says of services, and what it takes to add, try and remove one. */
import { z } from 'zod'
import { ConnectorView, RuntimeStateView } from './admin.ts'

/** A generic HTTP service of this node. */
export const ServiceView = z
  .object({
    name: z.string(),
    instance: z.string(),
    /** Where requests go. Never shown to other nodes. */
    url: z.string(),
    groups: z.array(z.string()),
    state: RuntimeStateView,
    /** Why it is not ready; empty when it is. */
    reason: z.string(),
    /** How long it has been in this state. */
    sinceMs: z.number().nonnegative(),
    inFlight: z.int().nonnegative(),
    capacity: z.int().positive(),
    /** Empty where every path may be asked for. */
    paths: z.array(z.string()),
    healthPath: z.string().nullable(),
  })
  .meta({ id: 'Service' })
export type ServiceView = z.infer<typeof ServiceView>

/** One instance of a service on one node of the network; the runtimes are those of `llm`. */
export const ServiceInstanceView = z
  .object({
    service: z.string(),
    instance: z.string(),
    node: z.string(),
    nodeName: z.string(),
    connector: ConnectorView,
    groups: z.array(z.string()),
    state: RuntimeStateView,
    reason: z.string(),
    inFlight: z.int().nonnegative(),
    capacity: z.int().nonnegative(),
  })
  .meta({ id: 'ServiceInstance' })
export type ServiceInstanceView = z.infer<typeof ServiceInstanceView>

export const ServiceList = z
  .object({
    schema: z.literal('heddle.services/v1'),
    /** Of this node. */
    services: z.array(ServiceView),
    /** Of other nodes: the first of them. */
    others: z.array(ServiceInstanceView),
    /** How many `others` leaves out. */
    omitted: z.int().nonnegative(),
  })
  .meta({ id: 'ServiceList' })
export type ServiceList = z.infer<typeof ServiceList>

const DEFAULT_CAPACITY = 64
const MOST_CAPACITY = 65_535
const MOST_TEXTS = 64
const Text = z.string().min(1).max(256)
const Url = z.string().min(1).max(2_048)

/** `POST /api/v1/services`. */
export const AddService = z
  .strictObject({
    name: Text,
    url: Url,
    /** By default the name, or the name with the next free number. */
    instance: Text.optional(),
    /** `key=value`, `key=*` or `all`; none takes every request. */
    groups: z.array(z.string().max(1_024)).max(MOST_TEXTS).default([]),
    /** Requests that it works on at once. */
    capacity: z.int().min(1).max(MOST_CAPACITY).default(DEFAULT_CAPACITY),
    /** Only these paths and what lies below them; none means all. */
    paths: z.array(z.string().max(1_024)).max(MOST_TEXTS).default([]),
    /** A path that answers 2xx while the service is well; by default any answer will do. */
    healthPath: Text.optional(),
  })
  .meta({ id: 'AddService' })
export type AddService = z.infer<typeof AddService>

/** `POST /api/v1/services/test`: a service that is there already, or a URL that might be added. */
export const TestService = z
  .union([
    z.strictObject({ name: Text, instance: Text.optional() }),
    z.strictObject({ url: Url, healthPath: Text.optional() }),
  ])
  .meta({ id: 'TestService' })
export type TestService = z.infer<typeof TestService>

export const ServiceTest = z
  .object({ ok: z.boolean(), detail: z.string(), durationMs: z.number().nonnegative() })
  .meta({ id: 'ServiceTest' })
export type ServiceTest = z.infer<typeof ServiceTest>

export const RemovedService = z
  .object({ name: z.string(), instance: z.string(), removed: z.literal(true) })
  .meta({ id: 'RemovedService' })
export type RemovedService = z.infer<typeof RemovedService>
